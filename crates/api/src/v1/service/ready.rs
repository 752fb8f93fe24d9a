//! `GET /health/ready`

use axum::extract::State;

use super::HealthAnswer;
use crate::{App, envelope::Success, error::ApiError, openapi::Ready};

/// Can requests be served
///
/// They can while the database answers and commits, its queue has places, and the disk has room. If not, `message` says
/// which of these fails.
#[utoipa::path(
    get,
    path = "/health/ready",
    operation_id = "ready",
    tag = "Service",
    responses((status = 200, description = "They can", body = Success<HealthAnswer>), Ready),
)]
pub async fn ready(State(app): State<App>) -> Result<Success<HealthAnswer>, ApiError> {
    app.gateway.ready().await?;
    Ok(Success::new(HealthAnswer { status: "ready" }))
}
