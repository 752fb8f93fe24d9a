//! List a tenant's messages.

use waypost_domain::{Message, TenantId};
use waypost_store::{MessageFilter, Page, PageRequest};

use crate::{Gateway, GatewayError};

impl Gateway {
    /// The tenant's messages that match, newest first.
    pub async fn list_messages(
        &self,
        tenant: TenantId,
        mut filter: MessageFilter,
        page: PageRequest,
    ) -> Result<Page<Message>, GatewayError> {
        // A person is one chat of a session, under whichever of their addresses it is asked for.
        if let (Some(session), Some(jid)) = (filter.session_id, filter.remote_jid.clone())
            && let Ok(session) = self.inner.session(tenant, session).await
        {
            filter.remote_jid = Some(self.inner.chat_of(&session, jid).await?);
        }
        Ok(self.inner.store.messages(tenant, &filter, page).await?)
    }
}
