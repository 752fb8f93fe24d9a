//! `DELETE /api/v1/whatsapp/{id}`

use axum::extract::State;
use waypost_domain::SessionId;

use crate::{
    App,
    auth::{Tenant, WriteSessions},
    envelope::{Nothing, Success},
    error::ApiError,
    input::{Bare, Id},
    openapi::{Authenticated, BadInput, Missing},
};

/// Delete a session
///
/// Logs it out first. Its messages stay readable; those that still wait fail.
#[utoipa::path(
    delete,
    path = "/whatsapp/{id}",
    operation_id = "deleteSession",
    tag = "Sessions",
    params(("id" = Uuid, Path, description = "The session's id")),
    responses((status = 200, description = "Deleted", body = Success<Nothing>), BadInput, Missing, Authenticated),
)]
pub async fn delete(
    State(app): State<App>,
    tenant: Tenant<WriteSessions>,
    Id(session): Id<SessionId>,
    _: Bare,
) -> Result<Success<Nothing>, ApiError> {
    app.gateway.delete_session(tenant.id, session).await?;
    Ok(Success::with_message(Nothing, "The session is deleted. Its messages stay readable"))
}
