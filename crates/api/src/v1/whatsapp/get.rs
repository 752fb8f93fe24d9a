//! `GET /api/v1/whatsapp/{id}`

use axum::extract::State;
use waypost_domain::SessionId;

use super::SessionAnswer;
use crate::{
    App,
    auth::{ReadSessions, Tenant},
    envelope::Success,
    error::ApiError,
    input::{Bare, Id},
    openapi::{Authenticated, BadInput, Missing},
};

/// Get a session
#[utoipa::path(
    get,
    path = "/whatsapp/{id}",
    operation_id = "getSession",
    tag = "Sessions",
    params(("id" = Uuid, Path, description = "The session's id")),
    responses((status = 200, description = "The session", body = Success<SessionAnswer>), BadInput, Missing, Authenticated),
)]
pub async fn get(
    State(app): State<App>,
    tenant: Tenant<ReadSessions>,
    Id(session): Id<SessionId>,
    _: Bare,
) -> Result<Success<SessionAnswer>, ApiError> {
    let session = app.gateway.get_session(tenant.id, session).await?;
    Ok(Success::new(SessionAnswer::new(session, &tenant)))
}
