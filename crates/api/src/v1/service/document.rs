//! `GET /api/openapi.json`

use axum::{
    extract::{NestedPath, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
};

use crate::{
    App,
    error::ApiError,
    openapi::{self, Open},
};

/// Get this document
///
/// With an `ETag`. The setting `docs` switches it off, together with its page.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "openapi",
    tag = "Service",
    responses(
        (status = 200, description = "OpenAPI 3.1", body = serde_json::Map<String, serde_json::Value>),
        (status = 304, description = "The one that `If-None-Match` names"),
        Open,
    ),
)]
pub async fn document(State(app): State<App>, mount: NestedPath, headers: HeaderMap) -> Response {
    if app.config.docs {
        openapi::document(mount.as_str().ends_with("/v1")).answer(&headers)
    } else {
        ApiError::NoRoute.into_response()
    }
}
