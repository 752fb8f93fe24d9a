//! `PATCH /api/v1/whatsapp/{id}`

use axum::extract::State;
use utoipa::ToSchema;
use waypost_domain::SessionId;
use waypost_gateway::sessions::{PacingUpdate, SessionUpdate};

use super::{
    SessionAnswer,
    pacing::{self, PacingRequest},
};
use crate::{
    App,
    auth::{Tenant, WriteSessions},
    envelope::Success,
    error::ApiError,
    input::{Body, Fields, FromFields, Id, rules},
    openapi::{Authenticated, BadBody, Missing},
};

/// What is to change. What is left out stays as it is.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the document's view of what `SessionUpdate` takes")]
pub struct UpdateSessionRequest {
    /// What to call it.
    #[schema(required = false, min_length = 1, max_length = 100, pattern = r"\S", example = "Shop")]
    name: String,
    /// How fast it may send; `null` goes back to the server's default in everything.
    #[schema(required = false, nullable = true, inline)]
    pacing: PacingRequest,
}

impl FromFields for SessionUpdate {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let name = fields.optional("name", rules::name(1..=100));
        let (pacing, end_first_contact_pause) = match fields.object("pacing", pacing::read) {
            Some(Some(change)) => change,
            Some(None) => (PacingUpdate::DEFAULT, false),
            None => (PacingUpdate::default(), false),
        };
        Some(Self { name, pacing, end_first_contact_pause })
    }
}

/// Change a session
///
/// Its name, and its pace: how many messages it may send, and how many of them to people whom it never talked to. The
/// change holds at once, also for messages that wait.
#[utoipa::path(
    patch,
    path = "/whatsapp/{id}",
    operation_id = "updateSession",
    tag = "Sessions",
    params(("id" = Uuid, Path, description = "The session's id")),
    request_body = UpdateSessionRequest,
    responses((status = 200, description = "The session as it is now", body = Success<SessionAnswer>), BadBody, Missing, Authenticated),
)]
pub async fn update(
    State(app): State<App>,
    tenant: Tenant<WriteSessions>,
    Id(session): Id<SessionId>,
    Body(update): Body<SessionUpdate>,
) -> Result<Success<SessionAnswer>, ApiError> {
    let session = app.gateway.update_session(tenant.id, session, update).await?;
    Ok(Success::new(SessionAnswer::new(session, &tenant)))
}
