//! `GET /api/v1/whatsapp`

use axum::extract::State;

use super::SessionAnswer;
use crate::{
    App,
    auth::{ReadSessions, Tenant},
    envelope::Listed,
    error::ApiError,
    input::{PageQuery, Query},
    openapi::{Authenticated, BadInput},
};

/// List the sessions
///
/// Newest first.
#[utoipa::path(
    get,
    path = "/whatsapp",
    operation_id = "listSessions",
    tag = "Sessions",
    params(PageQuery),
    responses((status = 200, description = "The sessions", body = Listed<SessionAnswer>), BadInput, Authenticated),
)]
pub async fn list(
    State(app): State<App>,
    tenant: Tenant<ReadSessions>,
    Query(PageQuery { window }): Query<PageQuery>,
) -> Result<Listed<SessionAnswer>, ApiError> {
    let page = app.gateway.list_sessions(tenant.id, window.request()).await?;
    Ok(Listed::new(window, page, |session| SessionAnswer::new(session, &tenant)))
}
