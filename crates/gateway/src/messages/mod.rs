//! Messages: accept, get, list.

use waypost_domain::{Content, Message, MessageId, MessageStatus, Recipient, SessionId, TenantId};
use waypost_store::{MessageFilter, Page, PageRequest};

use crate::{Gateway, GatewayError};

/// A message that a caller wants to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendMessage {
    /// The session that is to send it.
    pub session_id: SessionId,
    /// Who gets it.
    pub to: Recipient,
    /// What it carries, validated.
    pub content: Content,
    /// The caller's own reference.
    pub client_reference: Option<String>,
    /// Whether to refuse (`WHATSAPP_UNAVAILABLE`) instead of queueing while the session is not connected.
    pub require_connected: bool,
}

/// The answer to an accepted message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The message's id.
    pub id: MessageId,
    /// Its status: `queued`.
    pub status: MessageStatus,
    /// What `data.to` echoes.
    pub to: String,
}

impl Gateway {
    /// Accepts a message. Returns after its row is committed; sending it is the dispatcher's.
    pub async fn accept_message(&self, _tenant: TenantId, _message: SendMessage) -> Result<Accepted, GatewayError> {
        unimplemented!()
    }

    /// One message.
    pub async fn get_message(&self, _tenant: TenantId, _message: MessageId) -> Result<Message, GatewayError> {
        unimplemented!()
    }

    /// The tenant's messages that match, newest first.
    pub async fn list_messages(
        &self,
        _tenant: TenantId,
        _filter: MessageFilter,
        _page: PageRequest,
    ) -> Result<Page<Message>, GatewayError> {
        unimplemented!()
    }
}
