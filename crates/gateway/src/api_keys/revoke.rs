//! Revokes an API key.

use waypost_domain::{ApiKeyId, TenantId};

use crate::{Gateway, GatewayError};

impl Gateway {
    /// Revokes a key: once this has returned, no request with it passes.
    pub async fn revoke_api_key(&self, tenant: TenantId, key: ApiKeyId) -> Result<(), GatewayError> {
        let inner = &self.inner;
        if !inner.store.revoke_api_key(tenant, key, inner.env.now()).await? {
            return Err(GatewayError::NotFound("API key"));
        }
        inner.auth.key_revoked(key);
        tracing::info!(tenant.id = %tenant, api_key.id = %key, "API key revoked");
        Ok(())
    }
}
