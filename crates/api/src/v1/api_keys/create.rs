//! `POST /api/api-keys`

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use waypost_accounts::NewApiKey;
use waypost_domain::{Scope, Timestamp};

use super::{ApiKeyAnswer, known_scopes};
use crate::{
    App,
    auth::{ManageApiKeys, Tenant},
    envelope::{Created, Success},
    error::ApiError,
    input::{Body, Fields, FromFields, rules},
    openapi::{Authenticated, BadBody},
};

/// A key that is wanted.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[serde(deny_unknown_fields)]
pub struct CreateApiKeyRequest {
    /// What to call it.
    #[schema(min_length = 1, max_length = 100, pattern = r"\S", example = "Web shop")]
    name: String,
    /// What it may do; everything, when none are named.
    #[schema(schema_with = known_scopes, required = false)]
    scopes: Vec<Scope>,
    /// When it is to stop working; never, when absent.
    #[schema(value_type = Option<String>, format = DateTime, example = json!(null))]
    expires_at: Option<Timestamp>,
}

impl FromFields for CreateApiKeyRequest {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let name = fields.required("name", rules::name(1..=100));
        let scope = rules::one_of(&Scope::ALL, Scope::as_str);
        let scopes = fields.optional("scopes", rules::list(Scope::ALL.len(), scope)).unwrap_or_default();
        let expires_at = fields.optional("expiresAt", rules::time);
        Some(Self { name: name?, scopes, expires_at })
    }
}

/// A new key with its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = CreatedApiKey)]
pub struct CreatedApiKeyAnswer {
    #[serde(flatten)]
    api_key: ApiKeyAnswer,
    /// The key itself. It is shown this once and stored nowhere: keep it safe.
    #[schema(example = "awp_3fXk9QmT0hJ7cR2vW5nB8yE1aL4dG6sK0pZ3xU9iO2q")]
    key: String,
}

/// Make an API key
#[utoipa::path(
    post,
    path = "/api-keys",
    operation_id = "createApiKey",
    tag = "API keys",
    request_body = CreateApiKeyRequest,
    responses((status = 201, description = "Made; `key` is shown this once", body = Success<CreatedApiKeyAnswer>), BadBody, Authenticated),
)]
pub async fn create(
    State(app): State<App>,
    tenant: Tenant<ManageApiKeys>,
    Body(request): Body<CreateApiKeyRequest>,
) -> Result<Created<CreatedApiKeyAnswer>, ApiError> {
    let CreateApiKeyRequest { name, scopes, expires_at } = request;
    let created = app.accounts.create_api_key(tenant.id, NewApiKey { name, scopes, expires_at }).await?;
    let answer = CreatedApiKeyAnswer { api_key: created.key.into(), key: created.secret };
    Ok(Success::with_message(answer, "Keep the key safe: it is shown this once").created())
}
