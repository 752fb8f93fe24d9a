//! API keys, stored by the hash of their secret.

use waypost_domain::{ApiKey, ApiKeyId, TenantId, Timestamp};

use crate::{Page, PageRequest, Store, StoreError};

/// SHA-256 of an API key. A random key of 256 bits needs no slow hash.
pub type ApiKeyHash = [u8; 32];

/// A new API key.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// All but the secret.
    pub key: ApiKey,
    /// The secret's hash.
    pub hash: ApiKeyHash,
}

impl Store {
    /// Creates a key.
    pub async fn create_api_key(&self, _key: NewApiKey) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// The tenant's keys that are not revoked, newest first.
    pub async fn api_keys(&self, _tenant: TenantId, _page: PageRequest) -> Result<Page<ApiKey>, StoreError> {
        unimplemented!()
    }

    /// Revokes a key; `false` where the tenant has no such key.
    pub async fn revoke_api_key(&self, _tenant: TenantId, _key: ApiKeyId, _now: Timestamp) -> Result<bool, StoreError> {
        unimplemented!()
    }

    /// The key with this hash that is not revoked, over all tenants: a caller's tenant is known only by its key.
    pub async fn api_key_by_hash_system(&self, _hash: &ApiKeyHash) -> Result<Option<ApiKey>, StoreError> {
        unimplemented!()
    }

    /// Notes when keys were last used, many at once.
    pub async fn touch_api_keys_system(&self, _used: Vec<(ApiKeyId, Timestamp)>) -> Result<(), StoreError> {
        unimplemented!()
    }
}
