//! JSON bodies.

use axum::{
    extract::{FromRequest, Request},
    http::{HeaderMap, header},
};
use serde_json::{Map, Value};

use super::{Fields, FromFields, json, query, receive::receive};
use crate::{App, error::ApiError};

/// A request read from a JSON body.
pub struct Body<T>(pub T);

impl<T: FromFields> FromRequest<App> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        query::refuse(request.uri())?;
        Fields::new(object(request, app).await?).read().map(Self)
    }
}

/// A request that has neither a body nor a query. An empty object says as little as no body, and so does `null`;
/// whatever says more is refused.
pub struct Bare;

impl FromRequest<App> for Bare {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        query::refuse(request.uri())?;
        let none = |_| ApiError::field("body", "Must be empty, or an empty JSON object: this request takes none");
        let body = receive(request, app).await?;
        if matches!(body.bytes.trim_ascii(), b"" | b"null") {
            return Ok(Self);
        }
        Fields::new(json::object(&body.bytes).map_err(none)?).read()
    }
}

impl FromFields for Bare {
    fn from_fields(_: &mut Fields) -> Option<Self> {
        Some(Self)
    }
}

/// The members of a body that is a JSON object.
pub(super) async fn object(request: Request, app: &App) -> Result<Map<String, Value>, ApiError> {
    if !is_json(request.headers()) {
        return Err(ApiError::UnsupportedMediaType);
    }
    json::object(&receive(request, app).await?.bytes)
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}
