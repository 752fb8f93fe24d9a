//! JSON bodies.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header},
};
use serde_json::{Map, Value};

use super::{Fields, FromFields};
use crate::{App, error::ApiError};

/// How long a client may take to send a body.
const PATIENCE: Duration = Duration::from_secs(30);

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
    let limit = app.config.json_body_limit;
    if declared_length(request.headers()).is_some_and(|length| length > limit) {
        return Err(ApiError::PayloadTooLarge(limit));
    }
    // The router's DefaultBodyLimit stops it at the same limit where no length was declared.
    let body = match tokio::time::timeout(PATIENCE, Bytes::from_request(request, app)).await {
        Ok(Ok(body)) => body,
        Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            return Err(ApiError::PayloadTooLarge(limit));
        }
        Ok(Err(_)) | Err(_) => return Err(ApiError::field("body", "Did not arrive whole")),
    };
    match serde_json::from_slice(&body) {
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

fn declared_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
