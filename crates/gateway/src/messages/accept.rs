//! Accept a message: the first arrow of the one way through.
//!
//! It guarantees that
//! - the answer `queued` follows the commit (docs/guarantees.md 1);
//! - the message's id on the wire is drawn here and stored in the same commit (promise 2);
//! - of the requests with one `Idempotency-Key`, however they come, one becomes a message; the others get its answer,
//!   whatever has become of its session meanwhile (promise 5);
//! - a message is queued when its `sendAt` comes and fails when its `expiresAt` does ([`crate::loops`]);
//! - a session of another tenant is answered exactly as one that does not exist (promise 9).

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use tracing::{
    Span,
    field::{Empty, display},
};
use waypost_domain::{
    Content, Failure, FailureCode, IdempotencyKey, MessageId, MessageStatus, Recipient, SessionId, SessionStatus,
    TenantId, Timestamp,
};
use waypost_store::{AcceptOutcome, NewIdempotency, NewOutbound};

use crate::{FieldErrors, Gateway, GatewayError, Inner, live::LiveSession, loops::dispatch};

/// How far ahead a message may be scheduled.
const FARTHEST: Duration = Duration::from_hours(35 * 24);

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
    /// When it is to be sent; none for now.
    pub send_at: Option<Timestamp>,
    /// When it fails unless it was handed to the network before; none for the default.
    pub expires_at: Option<Timestamp>,
    /// What makes it the only one of its kind, where the caller asked for that.
    pub idempotency: Option<Idempotency>,
    /// Whether to look the number up first, and to refuse (`NOT_ON_WHATSAPP`) where it has no account.
    pub check_number: bool,
}

/// A caller's wish that a request takes effect once, however often it comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The key that the caller chose.
    pub key: IdempotencyKey,
    /// SHA-256 of the request, in a form that does not depend on how it was written.
    pub fingerprint: [u8; 32],
}

/// The answer to an accepted message. Kept as JSON with an idempotency key, to be given again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The message's id.
    pub id: MessageId,
    /// Its status: `queued`, or `scheduled` where its time is still to come.
    pub status: MessageStatus,
    /// What `data.to` echoes.
    pub to: String,
    /// Whether this is the answer to an earlier request with the same key.
    #[serde(skip)]
    pub replayed: bool,
}

impl Gateway {
    /// Accepts a message. Returns after its row is committed; sending it is the dispatcher's. A session that is not
    /// connected, logged out even, takes messages: they wait until it is.
    #[tracing::instrument(
        level = "debug",
        skip_all,
        fields(tenant.id = %tenant, session.id = %message.session_id, message.id = Empty)
    )]
    pub async fn accept_message(&self, tenant: TenantId, message: SendMessage) -> Result<Accepted, GatewayError> {
        let inner = &self.inner;
        if let Some(once) = &message.idempotency {
            let earlier = inner.store.earlier_answer(tenant, &once.key, &once.fingerprint, inner.env.now()).await?;
            if let Some(earlier) = earlier {
                return again(earlier);
            }
        }
        inner.has_room()?;
        let session = inner.session(tenant, message.session_id).await?;
        if message.require_connected {
            require_connected(&session)?;
        }
        let remote_jid = inner.address_of(&session, &message.to, message.check_number).await?;
        let now = inner.env.now();
        let times = Times::of(&message, now, inner.config.message_expiry)?;
        // Wakes the loops also where the caller goes away while the row is being committed.
        let _wake = Wake { inner, session: &session, times };
        let to = message.to.echo();
        let accepted = Accepted { id: inner.env.new_id(), status: times.status(now), to, replayed: false };
        Span::current().record("message.id", display(accepted.id));
        let outbound = NewOutbound {
            id: accepted.id,
            tenant_id: tenant,
            session_id: session.id,
            wa_id: inner.env.new_wa_message_id(),
            to: accepted.to.clone(),
            remote_jid,
            content: message.content,
            client_reference: message.client_reference,
            send_at: times.send_at,
            expires_at: times.expires_at,
            created_at: now,
        };
        if let Some(once) = message.idempotency {
            let answer = serde_json::to_string(&accepted).map_err(|error| GatewayError::Internal(error.to_string()))?;
            let once = NewIdempotency { key: once.key, fingerprint: once.fingerprint, answer };
            let outcome = inner.store.accept_message_once(outbound, once).await?;
            if outcome != AcceptOutcome::Accepted {
                return again(outcome);
            }
        } else {
            inner.store.accept_message(outbound).await?;
        }
        if session.is_gone() {
            self.fail_with_its_session(&session).await?;
        }
        Ok(accepted)
    }

    /// Looks again at a session that was being deleted while a message was committed. Where it is gone, the message
    /// may have come too late to be failed with the others. It was accepted all the same: it is there, and says so.
    async fn fail_with_its_session(&self, session: &LiveSession) -> Result<(), GatewayError> {
        let _step = session.steps.lock().await;
        if !session.is_gone() {
            return Ok(());
        }
        let failure = Failure::new(FailureCode::SessionGone);
        self.inner.store.fail_waiting_system(session.id, failure, self.inner.env.now()).await?;
        Ok(())
    }
}

/// The answer to a request whose key was used before.
fn again(earlier: AcceptOutcome) -> Result<Accepted, GatewayError> {
    match earlier {
        AcceptOutcome::Replayed(answer) => serde_json::from_str(&answer)
            .map(|accepted| Accepted { replayed: true, ..accepted })
            .map_err(|error| GatewayError::Internal(format!("a kept answer cannot be read: {error}"))),
        AcceptOutcome::Mismatch => Err(GatewayError::IdempotencyMismatch),
        AcceptOutcome::Accepted => Err(GatewayError::Internal("a new message has no earlier answer".to_owned())),
    }
}

/// When a message is to leave, and until when it may.
#[derive(Debug, Clone, Copy)]
struct Times {
    send_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
}

impl Times {
    /// Checks what the caller wants. Here and not where the request is read, because a request that is repeated with
    /// its key gets its answer also when its times are over.
    fn of(message: &SendMessage, now: Timestamp, default_expiry: Option<Duration>) -> Result<Self, GatewayError> {
        let mut errors = BTreeMap::new();
        let latest = now.plus(FARTHEST);
        // Callers' clocks and ours may differ by less than the second that most of them write.
        let this_second = Timestamp::from_secs(now.as_millis().div_euclid(1000));
        if message.send_at.is_some_and(|at| at < this_second || at > latest) {
            errors.insert("sendAt".to_owned(), format!("Must be from now to 35 days ahead: {now} to {latest}"));
        }
        let leaves = message.send_at.unwrap_or(now).max(now);
        let expires_at = message.expires_at.or_else(|| default_expiry.map(|expiry| leaves.plus(expiry)));
        if message.expires_at.is_some_and(|at| at <= now) {
            errors.insert("expiresAt".to_owned(), format!("Must be in the future. It is {now}"));
        } else if message.expires_at.is_some_and(|at| at <= leaves) {
            errors.insert("expiresAt".to_owned(), "Must be after sendAt".to_owned());
        }
        if !errors.is_empty() {
            return Err(GatewayError::Validation(FieldErrors(errors)));
        }
        Ok(Self { send_at: message.send_at, expires_at })
    }

    fn status(&self, now: Timestamp) -> MessageStatus {
        if self.send_at.is_some_and(|at| at > now) { MessageStatus::Scheduled } else { MessageStatus::Queued }
    }
}

/// Wakes what carries a message onward when it is dropped.
struct Wake<'a> {
    inner: &'a Arc<Inner>,
    session: &'a Arc<LiveSession>,
    times: Times,
}

impl Drop for Wake<'_> {
    fn drop(&mut self) {
        if let Some(at) = self.times.send_at {
            self.inner.due.set(at);
        }
        if let Some(at) = self.times.expires_at {
            self.inner.expiry.set(at);
        }
        if self.session.connection().is_some() {
            dispatch::wake(self.inner, self.session);
        }
    }
}

pub(crate) fn require_connected(session: &LiveSession) -> Result<(), GatewayError> {
    let what_to_do = match session.status() {
        SessionStatus::Connected => return Ok(()),
        SessionStatus::Connecting => "Wait until it is connected",
        SessionStatus::Qr => "Scan its QR code",
        SessionStatus::Disconnected | SessionStatus::Replaced | SessionStatus::Unknown => "Connect it",
        SessionStatus::LoggedOut => "Connect it and scan a new QR code",
        SessionStatus::Restricted => "Wait until WhatsApp lifts the restriction, then connect it",
        SessionStatus::ClientOutdated => "Set a newer WhatsApp version in the configuration, then connect it",
    };
    let status = session.status();
    Err(GatewayError::WhatsappUnavailable(format!("The session is not connected: it is {status}. {what_to_do}")))
}
