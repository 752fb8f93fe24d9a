//! List a tenant's messages.

use waypost_domain::{Message, TenantId};
use waypost_store::{MessageFilter, Page, PageRequest};

use crate::{Gateway, GatewayError};

impl Gateway {
    /// The tenant's messages that match, newest first. The address of a person stands for all the addresses under which
    /// any session of the tenant knows them.
    pub async fn list_messages(
        &self,
        tenant: TenantId,
        mut filter: MessageFilter,
        page: PageRequest,
    ) -> Result<Page<Message>, GatewayError> {
        let _turn = self.inner.store.turn_to_list(tenant).await?;
        if let Some(person) = filter.with.first() {
            filter.with = self.inner.store.addresses_of(tenant, person).await?;
        }
        Ok(self.inner.store.messages(tenant, &filter, page).await?)
    }
}
