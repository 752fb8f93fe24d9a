//! The port to a messaging network. `gateway` drives engines through it and knows no network by name; an engine knows
//! no business table.
//!
//! An engine opens a [`Link`] for each session. The gateway calls the link; the link answers through an [`EventSink`].
//! A call returns as soon as the network took or refused it; what comes of it (an acknowledgement, a QR code, a lost
//! connection) arrives as a [`MessageEvent`] or a [`SessionEvent`].

pub mod sandbox;

use std::sync::Arc;

use async_trait::async_trait;
use waypost_domain::{
    ClientVersion, ConnectionId, EngineKind, FailureCode, Inbound, MessageEvent, NumberFound, Outgoing, PhoneNumber,
    SessionEvent, SessionId, TenantId, Timestamp, WaMessageId,
};

/// A messaging network.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// Which network it is.
    fn kind(&self) -> EngineKind;

    /// Opens the link of one session. Nothing is connected yet, and no network is touched.
    async fn open(&self, session: SessionSpec, sink: Arc<dyn EventSink>) -> Result<Arc<dyn Link>, LinkError>;

    /// Forgets every credential of a session that was logged out or deleted.
    async fn forget(&self, session: SessionId) -> Result<(), LinkError>;

    /// Sets the version of the network's own client that connections made from now on claim to be; `None` returns to
    /// the engine's own choice, looked up anew. Networks without such versions ignore it.
    fn set_client_version(&self, version: Option<ClientVersion>) {
        let _ = version;
    }
}

/// What an engine must know of a session to open it.
#[derive(Debug, Clone)]
pub struct SessionSpec {
    /// The session.
    pub id: SessionId,
    /// Its tenant, for the log.
    pub tenant_id: TenantId,
    /// The session's name, which the phone shows in its list of linked devices where the network allows it.
    pub name: String,
    /// The account it is linked to, where it is.
    pub phone_number: Option<PhoneNumber>,
    /// Whether the gateway's row says that it is linked.
    pub linked: bool,
}

/// One session's line to its network. Dropping it closes the connection without a word.
#[async_trait]
pub trait Link: Send + Sync + 'static {
    /// Starts linking or logging in, and keeps the connection up from then on. Returns at once; the way there arrives
    /// as events. Calling it again while it runs changes nothing.
    async fn connect(&self) -> Result<(), LinkError>;

    /// Asks for a code that the owner of `number` types into their phone instead of scanning a QR code.
    async fn pairing_code(&self, number: &PhoneNumber) -> Result<PairingCode, LinkError>;

    /// Hands one message to the network, on this connection and no other: where the link has made another one meanwhile
    /// the message is parked, because what was written to the one before and got lost must go out first. `Ok` says that
    /// it was written to the connection, or may have been, no more: the verdict is a [`MessageEvent::Acked`] or
    /// [`MessageEvent::Refused`] with the same id. Sending again under the same id is allowed, and is how a lost
    /// acknowledgement is mended.
    async fn send(&self, on: ConnectionId, message: &Outgoing) -> Result<(), SendFailure>;

    /// Asks the network which of `numbers` have an account. One answer for each number, in their order; a number that
    /// the network says nothing about has none. It makes traffic that a network watches: the gateway remembers answers
    /// and limits how often it asks.
    async fn lookup(&self, numbers: &[PhoneNumber]) -> Result<Vec<NumberFound>, LinkError>;

    /// Closes the connection and keeps the credentials. Returns when it is closed.
    async fn disconnect(&self);

    /// Unlinks the device at the network, as far as the network can be reached, and closes the connection. The
    /// credentials go with [`Engine::forget`].
    async fn logout(&self);
}

/// A code to type into a phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairingCode {
    /// Eight characters.
    pub code: String,
    /// When it stops working.
    pub expires_at: Timestamp,
}

/// Why a message was not handed over, and what happens next. The reason is for the timeline and the log: it names no
/// address and no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendFailure {
    /// Try again soon, under the same id. It did not leave.
    #[error("retry: {reason}")]
    Retry {
        /// What went wrong.
        reason: String,
    },
    /// The network or the content forbids it: the message fails.
    #[error("reject: {code:?}: {reason}")]
    Reject {
        /// The stable code.
        code: FailureCode,
        /// What went wrong.
        reason: String,
    },
    /// The session cannot take messages now, mostly because it is not connected: the message waits, queued, until it can.
    /// It did not leave.
    #[error("park: {reason}")]
    Park {
        /// What went wrong.
        reason: String,
    },
    /// The session has no credentials any more: its messages fail.
    #[error("session gone: {reason}")]
    SessionGone {
        /// What went wrong.
        reason: String,
    },
}

/// Why a link could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The step does not fit the state; the sentence is public.
    #[error("{0}")]
    Conflict(String),
    /// The network refused or did not answer; the sentence is public.
    #[error("{0}")]
    Unavailable(String),
    /// The network asks to slow down.
    #[error("too many attempts")]
    RateLimited {
        /// When to try again, in seconds.
        retry_after_secs: u32,
    },
    /// Ours; for the log alone.
    #[error("{0}")]
    Internal(String),
}

/// Where a link's events go. The gateway implements it.
#[async_trait]
pub trait EventSink: Send + Sync + 'static {
    /// Takes note of what the network says about messages. Never blocks: engines call it on their receive path.
    fn message_event(&self, session: SessionId, event: MessageEvent);

    /// Takes note of what happens to the session. Never blocks: engines call it on their receive path.
    fn session_event(&self, session: SessionId, event: SessionEvent);

    /// A mark behind every receipt that was posted for `session` so far, for [`EventSink::recorded`].
    ///
    /// A sink that keeps nothing has nothing to wait for, which is what the two answer by default.
    fn mark(&self, _session: SessionId) -> u64 {
        0
    }

    /// Waits until every receipt before `mark` is on disk. A network forgets a receipt once it is confirmed: an engine
    /// confirms it only after this.
    async fn recorded(&self, _session: SessionId, _mark: u64) {}

    /// Stores inbound messages. Returns `Ok` when they are committed: only then may the engine acknowledge them to
    /// the network. On `Err` the network is to deliver them again.
    async fn inbound(&self, session: SessionId, messages: Vec<Inbound>) -> Result<(), NotStored>;

    /// Whether an inbound message is committed. An engine that can no longer read a message which the network brings
    /// again asks this before it acknowledges it.
    ///
    /// A sink that keeps nothing misses nothing, which is the default.
    async fn has_inbound(&self, _session: SessionId, _wa_id: &WaMessageId) -> Result<bool, NotStored> {
        Ok(true)
    }
}

/// The inbound messages were not stored; they must come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the inbound messages were not stored")]
pub struct NotStored;
