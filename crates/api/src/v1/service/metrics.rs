//! `GET /metrics`

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use waypost_gateway::METRICS_CONTENT_TYPE;

use crate::{
    App,
    error::ApiError,
    input::Bare,
    openapi::{BadInput, ByOperator},
};

/// Get the metrics
///
/// In Prometheus' text format, for all tenants together; docs/metrics.md explains each name. With the operator token: how
/// much is sent is nobody else's business.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "Service",
    responses(
        (status = 200, description = "The metrics", body = String, content_type = "text/plain", example = "waypost_messages_accepted_total 42"),
        BadInput,
        ByOperator,
    ),
)]
pub async fn metrics(State(app): State<App>, _: Bare) -> Result<Response, ApiError> {
    let text = app.gateway.metrics().await?;
    Ok(([(header::CONTENT_TYPE, METRICS_CONTENT_TYPE)], text).into_response())
}
