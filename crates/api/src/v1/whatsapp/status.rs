//! `GET /api/v1/whatsapp/{id}/status`

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use waypost_domain::{SessionId, SessionStatus};

use super::statuses;
use crate::{
    App,
    auth::{ReadSessions, Tenant},
    envelope::Success,
    error::ApiError,
    input::{Bare, Id},
    openapi::{Authenticated, BadInput, Missing},
};

/// A session's state alone.
#[derive(Serialize, ToSchema)]
#[schema(as = SessionStatus)]
pub struct StatusAnswer {
    #[schema(value_type = Uuid)]
    id: SessionId,
    #[schema(schema_with = statuses)]
    status: SessionStatus,
    /// Whether the status is `connected`.
    connected: bool,
}

/// Get a session's state
///
/// Cheap to poll.
#[utoipa::path(
    get,
    path = "/whatsapp/{id}/status",
    operation_id = "getSessionStatus",
    tag = "Sessions",
    params(("id" = Uuid, Path, description = "The session's id")),
    responses((status = 200, description = "The state", body = Success<StatusAnswer>), BadInput, Missing, Authenticated),
)]
pub async fn status(
    State(app): State<App>,
    tenant: Tenant<ReadSessions>,
    Id(id): Id<SessionId>,
    _: Bare,
) -> Result<Success<StatusAnswer>, ApiError> {
    let status = app.gateway.session_status(tenant.id, id).await?;
    Ok(Success::new(StatusAnswer { id, status, connected: status == SessionStatus::Connected }))
}
