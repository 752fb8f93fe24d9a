//! `POST /api/v1/whatsapp/{id}/logout`

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

/// Log a session out
///
/// Unlinks the device from the account: connecting again needs a new QR code.
#[utoipa::path(
    post,
    path = "/whatsapp/{id}/logout",
    operation_id = "logoutSession",
    tag = "Sessions",
    params(("id" = Uuid, Path, description = "The session's id")),
    responses((status = 200, description = "The session as it is now", body = Success<SessionAnswer>), BadInput, Missing, Authenticated),
)]
pub async fn logout(
    State(app): State<App>,
    tenant: Tenant<WriteSessions>,
    Id(session): Id<SessionId>,
    _: Bare,
) -> Result<Success<SessionAnswer>, ApiError> {
    let session = app.gateway.logout_session(tenant.id, session).await?;
    Ok(Success::new(SessionAnswer::new(session, &tenant)))
}
