//! `POST /api/v1/whatsapp/{id}/disconnect`

use axum::extract::State;
use waypost_domain::SessionId;

use super::SessionAnswer;
use crate::{
    App,
    auth::{Tenant, WriteSessions},
    envelope::Success,
    error::ApiError,
    input::{Bare, Id},
    openapi::{Authenticated, BadInput, Missing},
};

/// Disconnect a session
///
/// Closes the connection and keeps the link: connecting again needs no QR code.
#[utoipa::path(
    post,
    path = "/whatsapp/{id}/disconnect",
    operation_id = "disconnectSession",
    tag = "Sessions",
    params(("id" = Uuid, Path, description = "The session's id")),
    responses((status = 200, description = "The session as it is now", body = Success<SessionAnswer>), BadInput, Missing, Authenticated),
)]
pub async fn disconnect(
    State(app): State<App>,
    tenant: Tenant<WriteSessions>,
    Id(session): Id<SessionId>,
    _: Bare,
) -> Result<Success<SessionAnswer>, ApiError> {
    let session = app.gateway.disconnect_session(tenant.id, session).await?;
    Ok(Success::new(SessionAnswer::new(session, &tenant)))
}
