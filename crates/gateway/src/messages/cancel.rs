//! Cancel a message that has not left.
//!
//! The writer decides between a cancellation and a claim, which takes one after the other: a message that is canceled
//! is never sent, and one of which is said that it is too late is on its way.

use waypost_domain::{Message, MessageId, MessageStatus, StatusChange, TenantId};
use waypost_store::{Evidence, EvidenceOutcome, MessageRef};

use crate::{Gateway, GatewayError};

impl Gateway {
    /// Takes a message back that is scheduled or queued, and gives it as it is then.
    pub async fn cancel_message(&self, tenant: TenantId, message: MessageId) -> Result<Message, GatewayError> {
        let found = self.get_message(tenant, message).await?;
        let evidence = Evidence {
            session_id: found.session_id,
            message: MessageRef::Id(message),
            change: StatusChange::To(MessageStatus::Canceled),
            at: self.inner.env.now(),
        };
        match self.inner.store.record_evidence_system(vec![evidence]).await?.as_slice() {
            [EvidenceOutcome::Advanced(_)] => self.get_message(tenant, message).await,
            [EvidenceOutcome::Unchanged(status)] => Err(GatewayError::Conflict(too_late(*status))),
            _ => Err(GatewayError::NotFound("message")),
        }
    }
}

fn too_late(status: MessageStatus) -> String {
    let why = match status {
        MessageStatus::Sending => "It is being handed to WhatsApp and can no longer be stopped",
        MessageStatus::Canceled => "It was canceled before",
        _ => "Only a message that is scheduled or queued can be canceled",
    };
    format!("The message is {status}. {why}")
}
