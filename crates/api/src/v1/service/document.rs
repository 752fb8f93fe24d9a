//! `GET /api/openapi.json`

use axum::{
    http::{HeaderName, HeaderValue, header},
    response::IntoResponse,
};

use crate::openapi::{self, Open};

/// Get this document
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "openapi",
    tag = "Service",
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json"), Open),
)]
pub async fn document() -> impl IntoResponse {
    const JSON: (HeaderName, HeaderValue) = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    ([JSON], openapi::json())
}
