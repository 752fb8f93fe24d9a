//! Lists API keys, never their secrets.

use waypost_domain::{ApiKey, TenantId};
use waypost_store::{Page, PageRequest};

use crate::{Gateway, GatewayError};

impl Gateway {
    /// The tenant's keys that are not revoked, newest first.
    pub async fn list_api_keys(&self, tenant: TenantId, page: PageRequest) -> Result<Page<ApiKey>, GatewayError> {
        let _turn = self.inner.store.turn_to_list(tenant).await?;
        Ok(self.inner.store.api_keys(tenant, page).await?)
    }
}
