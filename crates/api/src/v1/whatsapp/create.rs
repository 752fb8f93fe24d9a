//! `POST /api/v1/whatsapp`

use axum::extract::State;
use utoipa::ToSchema;
use waypost_domain::EngineKind;

use super::{ENGINES, SessionAnswer, known_engines};
use crate::{
    App,
    auth::{Tenant, WriteSessions},
    envelope::{Created, Success},
    error::ApiError,
    input::{Body, Fields, FromFields, rules},
    openapi::{Authenticated, BadBody, Limited, Unavailable},
};

/// A session that is wanted.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateSessionRequest {
    /// What to call it.
    #[schema(min_length = 1, max_length = 100, pattern = r"\S", example = "Shop")]
    name: String,
    /// `sandbox` makes one that needs no phone.
    #[schema(schema_with = known_engines, required = false)]
    engine: EngineKind,
}

impl FromFields for CreateSessionRequest {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let name = fields.required("name", rules::name(1..=100));
        let engine = fields.optional("engine", rules::one_of(&ENGINES, EngineKind::as_str));
        Some(Self { name: name?, engine: engine.unwrap_or(EngineKind::Whatsapp) })
    }
}

/// Create a session
///
/// It is disconnected and not linked yet: connect it next.
#[utoipa::path(
    post,
    path = "/whatsapp",
    operation_id = "createSession",
    tag = "Sessions",
    request_body = CreateSessionRequest,
    responses((status = 201, description = "Created, `disconnected`", body = Success<SessionAnswer>), BadBody, Unavailable, Authenticated, Limited),
)]
pub async fn create(
    State(app): State<App>,
    tenant: Tenant<WriteSessions>,
    Body(request): Body<CreateSessionRequest>,
) -> Result<Created<SessionAnswer>, ApiError> {
    let session = app.gateway.create_session(tenant.id, request.name, request.engine).await?;
    Ok(Success::new(SessionAnswer::new(session, &tenant)).created())
}
