//! JSON bodies.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header},
};
use serde_json::{Map, Value};

use super::{Fields, FromFields, json, query};
use crate::{App, error::ApiError};

/// How long a client may take to send a body.
const PATIENCE: Duration = Duration::from_secs(30);

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
        let body = whole(request, app).await?;
        if matches!(body.trim_ascii(), b"" | b"null") {
            return Ok(Self);
        }
        Fields::new(json::object(&body)?).read()
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
    json::object(&whole(request, app).await?)
}

async fn whole(request: Request, app: &App) -> Result<Bytes, ApiError> {
    let limit = app.config.json_body_limit;
    if declared_length(request.headers()).is_some_and(|length| length > limit) {
        return Err(ApiError::PayloadTooLarge(limit));
    }
    // The router's DefaultBodyLimit stops it at the same limit where no length was declared.
    match tokio::time::timeout(PATIENCE, Bytes::from_request(request, app)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Err(ApiError::PayloadTooLarge(limit))
        }
        Ok(Err(_)) | Err(_) => Err(ApiError::field("body", "Did not arrive whole")),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn declared_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
