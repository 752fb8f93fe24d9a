//! Revokes an API key.

use waypost_domain::{ApiKeyId, TenantId};

use crate::{Accounts, AccountsError};

impl Accounts {
    /// Revokes a key: once this has returned, no request with it passes. It goes on if the caller leaves, so that memory
    /// hears of what was committed.
    pub async fn revoke_api_key(&self, tenant: TenantId, key: ApiKeyId) -> Result<(), AccountsError> {
        let accounts = self.shared.clone();
        let step = async move {
            if !accounts.store.revoke_api_key(tenant, key, accounts.env.now()).await? {
                return Err(AccountsError::NoSuchApiKey);
            }
            accounts.credentials.key_revoked(key);
            tracing::info!(tenant.id = %tenant, api_key.id = %key, "API key revoked");
            Ok(())
        };
        self.undisturbed(step).await
    }
}
