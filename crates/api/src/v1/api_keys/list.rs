//! `GET /api/api-keys`

use axum::extract::State;

use super::ApiKeyAnswer;
use crate::{
    App,
    auth::{ManageApiKeys, Tenant},
    envelope::Listed,
    error::ApiError,
    input::{PageQuery, Query},
    openapi::{Authenticated, BadInput},
};

/// List the API keys
///
/// Those that are not revoked, newest first, without their secrets.
#[utoipa::path(
    get,
    path = "/api-keys",
    operation_id = "listApiKeys",
    tag = "API keys",
    params(PageQuery),
    responses((status = 200, description = "The keys", body = Listed<ApiKeyAnswer>), BadInput, Authenticated),
)]
pub async fn list(
    State(app): State<App>,
    tenant: Tenant<ManageApiKeys>,
    Query(PageQuery { window }): Query<PageQuery>,
) -> Result<Listed<ApiKeyAnswer>, ApiError> {
    let page = app.accounts.list_api_keys(tenant.id, window.request()).await?;
    Ok(Listed::new(window, page, ApiKeyAnswer::from))
}
