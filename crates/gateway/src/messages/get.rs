//! Get one message.

use waypost_domain::{Message, MessageId, TenantId};

use crate::{Gateway, GatewayError};

impl Gateway {
    /// One message.
    pub async fn get_message(&self, tenant: TenantId, message: MessageId) -> Result<Message, GatewayError> {
        self.inner.store.message(tenant, message).await?.ok_or(GatewayError::NotFound("message"))
    }
}
