//! `GET /health/live`

use super::HealthAnswer;
use crate::{envelope::Success, openapi::Alive};

/// Is the process alive
#[utoipa::path(
    get,
    path = "/health/live",
    operation_id = "live",
    tag = "Service",
    responses((status = 200, description = "It answers", body = Success<HealthAnswer>), Alive),
)]
pub async fn live() -> Success<HealthAnswer> {
    Success::new(HealthAnswer { status: "live" })
}
