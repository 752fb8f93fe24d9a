//! Lists API keys, never their secrets.

use waypost_domain::{ApiKey, TenantId};
use waypost_store::{Page, PageRequest};

use crate::{Accounts, AccountsError};

impl Accounts {
    /// The tenant's keys that are not revoked, newest first.
    pub async fn list_api_keys(&self, tenant: TenantId, page: PageRequest) -> Result<Page<ApiKey>, AccountsError> {
        let _turn = self.shared.store.turn_to_list(tenant).await?;
        Ok(self.shared.store.api_keys(tenant, page).await?)
    }
}
