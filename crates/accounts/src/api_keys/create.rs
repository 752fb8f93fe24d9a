//! Makes an API key.

use sha2::{Digest, Sha256};
use waypost_domain::{ApiKey, Scope, TenantId, Timestamp};

use super::API_KEY_PREFIX;
use crate::{Accounts, AccountsError, Shared, secret::draw_secret};

/// How much of a secret is kept to recognise a key by: the prefix and six of its 43 digits.
const SHOWN: usize = API_KEY_PREFIX.len() + 6;

/// An API key that a tenant wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApiKey {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it is to stop working.
    pub expires_at: Option<Timestamp>,
}

/// A new API key with its secret, which is shown this once and stored nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct CreatedApiKey {
    /// The key.
    pub key: ApiKey,
    /// `awp_` and 43 digits of base 62.
    pub secret: String,
}

impl Accounts {
    /// Makes an API key. Naming no scope gives it all of them. Its expiry must lie in the future.
    pub async fn create_api_key(&self, tenant: TenantId, new: NewApiKey) -> Result<CreatedApiKey, AccountsError> {
        let Shared { store, env, credentials, .. } = &*self.shared;
        let now = env.now();
        if new.expires_at.is_some_and(|end| end <= now) {
            return Err(AccountsError::ExpiryInThePast);
        }
        let mut scopes = if new.scopes.is_empty() { Scope::ALL.to_vec() } else { new.scopes };
        scopes.sort_unstable();
        scopes.dedup();
        let secret = draw_secret(env, API_KEY_PREFIX);
        let key = ApiKey {
            id: env.new_id(),
            tenant_id: tenant,
            name: new.name,
            prefix: secret[..SHOWN].to_owned(),
            scopes,
            created_at: now,
            last_used_at: None,
            expires_at: new.expires_at,
        };
        let hash = Sha256::digest(secret.as_bytes()).into();
        let before = credentials.key_changes();
        store.create_api_key(waypost_store::NewApiKey { key: key.clone(), hash }).await?;
        credentials.key_created(hash, key.clone(), before);
        tracing::info!(tenant.id = %tenant, api_key.id = %key.id, "API key created");
        Ok(CreatedApiKey { key, secret })
    }
}
