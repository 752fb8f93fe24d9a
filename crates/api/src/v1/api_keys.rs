//! API keys: list, create, revoke.

pub mod create;
pub mod list;
pub mod revoke;

use serde::Serialize;
use utoipa::{
    ToSchema,
    openapi::schema::{Array, ArrayBuilder},
};
use waypost_domain::{ApiKey, ApiKeyId, Scope, Timestamp};

use crate::openapi;

/// An API key without its secret.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ApiKey)]
pub struct ApiKeyAnswer {
    #[schema(value_type = Uuid)]
    id: ApiKeyId,
    #[schema(example = "Web shop")]
    name: String,
    /// The first characters of the key, to recognise it by.
    #[schema(example = "awp_3fXk9Q")]
    prefix: String,
    /// What it may do.
    #[schema(schema_with = scopes)]
    scopes: Vec<Scope>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was last used, to the minute.
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
    /// When it stops working.
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

impl From<ApiKey> for ApiKeyAnswer {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            prefix: key.prefix,
            scopes: key.scopes,
            created_at: key.created_at,
            last_used_at: key.last_used_at,
            expires_at: key.expires_at,
        }
    }
}

/// What a key can be given.
fn known_scopes() -> Array {
    ArrayBuilder::new().items(openapi::one_of(Scope::ALL.map(Scope::as_str))).max_items(Some(Scope::ALL.len())).build()
}

/// What a key has: one `unknown` stands for all that this version does not know.
fn scopes() -> Array {
    let scope = openapi::one_of_or(Scope::ALL.map(Scope::as_str), Scope::Unknown.as_str());
    ArrayBuilder::new().items(scope).max_items(Some(Scope::ALL.len() + 1)).build()
}
