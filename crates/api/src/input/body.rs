//! JSON bodies.

use axum::{
    extract::{FromRequest, Request},
    http::{HeaderMap, header},
};
use serde_json::{Map, Value};

use super::{Fields, FromFields, receive::receive};
use crate::{App, error::ApiError};

/// A request read from a JSON body.
pub struct Body<T>(pub T);

impl<T: FromFields> FromRequest<App> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        Fields::new(object(request, app).await?).read().map(Self)
    }
}

/// The members of a body that is a JSON object.
pub(super) async fn object(request: Request, app: &App) -> Result<Map<String, Value>, ApiError> {
    if !is_json(request.headers()) {
        return Err(ApiError::UnsupportedMediaType);
    }
    let body = receive(request, app).await?;
    match serde_json::from_slice(&body.bytes) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(ApiError::field("body", "Must be a JSON object")),
        Err(error) => Err(ApiError::field("body", format!("Must be JSON in UTF-8: {error}"))),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}
