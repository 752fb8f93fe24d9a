//! `POST /api/v1/whatsapp/{id}/connect`

use axum::extract::State;
use waypost_domain::SessionId;

use super::SessionAnswer;
use crate::{
    App,
    auth::{Tenant, WriteSessions},
    envelope::Success,
    error::ApiError,
    input::{Bare, Id},
    openapi::{Authenticated, BadInput, Missing, Unavailable, WrongState},
};

/// Connect a session
///
/// Starts linking, or connects a linked session again. Answers at once with the state; with the QR code as soon as one
/// is there, where a phone must scan one (10 s at most). Connecting a connected session changes nothing.
#[utoipa::path(
    post,
    path = "/whatsapp/{id}/connect",
    operation_id = "connectSession",
    tag = "Sessions",
    params(("id" = Uuid, Path, description = "The session's id")),
    responses((status = 200, description = "The session as it is now", body = Success<SessionAnswer>), BadInput, Missing, WrongState, Unavailable, Authenticated),
)]
pub async fn connect(
    State(app): State<App>,
    tenant: Tenant<WriteSessions>,
    Id(session): Id<SessionId>,
    _: Bare,
) -> Result<Success<SessionAnswer>, ApiError> {
    let session = app.gateway.connect_session(tenant.id, session).await?;
    Ok(Success::new(SessionAnswer::new(session, &tenant)))
}
