//! `DELETE /api/api-keys/{id}`

use axum::extract::State;
use waypost_domain::ApiKeyId;

use crate::{
    App,
    auth::{ManageApiKeys, Tenant},
    envelope::{Nothing, Success},
    error::ApiError,
    input::{Bare, Id},
    openapi::{Authenticated, BadInput, Missing},
};

/// Revoke an API key
///
/// It stops working at once.
#[utoipa::path(
    delete,
    path = "/api-keys/{id}",
    operation_id = "revokeApiKey",
    tag = "API keys",
    params(("id" = Uuid, Path, description = "The key's id")),
    responses((status = 200, description = "Revoked", body = Success<Nothing>), BadInput, Missing, Authenticated),
)]
pub async fn revoke(
    State(app): State<App>,
    tenant: Tenant<ManageApiKeys>,
    Id(key): Id<ApiKeyId>,
    _: Bare,
) -> Result<Success<Nothing>, ApiError> {
    app.accounts.revoke_api_key(tenant.id, key).await?;
    Ok(Success::with_message(Nothing, "The key is revoked"))
}
