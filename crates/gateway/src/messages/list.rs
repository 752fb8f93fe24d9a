//! List a tenant's messages.

use waypost_domain::{Message, TenantId};
use waypost_store::{MessageFilter, Page, PageRequest};

use crate::{Gateway, GatewayError};

impl Gateway {
    /// The tenant's messages that match, newest first.
    pub async fn list_messages(
        &self,
        tenant: TenantId,
        filter: MessageFilter,
        page: PageRequest,
    ) -> Result<Page<Message>, GatewayError> {
        Ok(self.inner.store.messages(tenant, &filter, page).await?)
    }
}
