//! Revokes an API key.

use waypost_domain::{ApiKeyId, TenantId};

use crate::{Gateway, GatewayError};

impl Gateway {
    /// Revokes a key: once this has returned, no request with it passes. It goes on if the caller leaves, so that memory
    /// hears of what was committed.
    pub async fn revoke_api_key(&self, tenant: TenantId, key: ApiKeyId) -> Result<(), GatewayError> {
        let gateway = self.clone();
        let step = async move {
            let inner = &gateway.inner;
            if !inner.store.revoke_api_key(tenant, key, inner.env.now()).await? {
                return Err(GatewayError::NotFound("API key"));
            }
            inner.auth.key_revoked(key);
            tracing::info!(tenant.id = %tenant, api_key.id = %key, "API key revoked");
            Ok(())
        };
        self.inner.undisturbed(step).await
    }
}
