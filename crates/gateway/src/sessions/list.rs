//! List a tenant's sessions.

use waypost_domain::TenantId;
use waypost_store::{Page, PageRequest};

use super::SessionView;
use crate::{Gateway, GatewayError};

impl Gateway {
    /// The tenant's sessions, newest first.
    pub async fn list_sessions(&self, tenant: TenantId, page: PageRequest) -> Result<Page<SessionView>, GatewayError> {
        let _turn = self.inner.store.turn_to_list(tenant).await?;
        let page = self.inner.store.sessions(tenant, page).await?;
        Ok(page.map(|session| self.view_of(session)))
    }
}
