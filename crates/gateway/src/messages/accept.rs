//! Accept a message: the first arrow of the one way through.
//!
//! It guarantees that
//! - the answer `queued` follows the commit (design.md, promise 1);
//! - the message's id on the wire is drawn here and stored in the same commit (promise 2);
//! - a session of another tenant is answered exactly as one that does not exist (promise 9).

use std::sync::Arc;

use waypost_domain::{
    Content, Failure, FailureCode, MessageId, MessageStatus, Recipient, SessionId, SessionStatus, TenantId,
};
use waypost_store::NewOutbound;

use crate::{Gateway, GatewayError, Inner, live::LiveSession, loops::dispatch};

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
    /// Accepts a message. Returns after its row is committed; sending it is the dispatcher's. A session that is not
    /// connected, logged out even, takes messages: they wait until it is.
    pub async fn accept_message(&self, tenant: TenantId, message: SendMessage) -> Result<Accepted, GatewayError> {
        let inner = &self.inner;
        let session = inner.session(tenant, message.session_id).await?;
        if message.require_connected {
            require_connected(&session)?;
        }
        // Wakes the dispatcher also where the caller goes away while the row is being committed.
        let _wake = Wake { inner, session: &session };
        let accepted = Accepted { id: inner.env.new_id(), status: MessageStatus::Queued, to: message.to.echo() };
        inner
            .store
            .accept_message(NewOutbound {
                id: accepted.id,
                tenant_id: tenant,
                session_id: session.id,
                wa_id: inner.env.new_wa_message_id(),
                to: accepted.to.clone(),
                remote_jid: message.to.to_jid(),
                content: message.content,
                client_reference: message.client_reference,
                created_at: inner.env.now(),
            })
            .await?;
        if session.is_gone() {
            self.give_up(&session).await?;
        }
        Ok(accepted)
    }

    /// Looks again at a session that was being deleted while a message was committed. Where it is gone, the message
    /// may have come too late to be failed with the others.
    async fn give_up(&self, session: &LiveSession) -> Result<(), GatewayError> {
        let _step = session.steps.lock().await;
        if !session.is_gone() {
            return Ok(());
        }
        let failure = Failure::new(FailureCode::SessionGone);
        self.inner.store.fail_waiting_system(session.id, failure, self.inner.env.now()).await?;
        Err(GatewayError::NotFound("session"))
    }
}

/// Wakes a session's dispatcher when it is dropped.
struct Wake<'a> {
    inner: &'a Arc<Inner>,
    session: &'a Arc<LiveSession>,
}

impl Drop for Wake<'_> {
    fn drop(&mut self) {
        if self.session.connection().is_some() {
            dispatch::wake(self.inner, self.session);
        }
    }
}

fn require_connected(session: &LiveSession) -> Result<(), GatewayError> {
    let what_to_do = match session.status() {
        SessionStatus::Connected => return Ok(()),
        SessionStatus::Connecting => "Wait until it is connected",
        SessionStatus::Qr => "Scan its QR code",
        SessionStatus::Disconnected | SessionStatus::Replaced => "Connect it",
        SessionStatus::LoggedOut => "Connect it and scan a new QR code",
        SessionStatus::Restricted => "Wait until WhatsApp lifts the restriction, then connect it",
        SessionStatus::ClientOutdated => "Set a newer WhatsApp version in the configuration, then connect it",
    };
    let status = session.status();
    Err(GatewayError::WhatsappUnavailable(format!("The session is not connected: it is {status}. {what_to_do}")))
}
