//! The sandbox: a network of pretend phones that lives inside the process.
//!
//! A session of this engine needs no phone. It links itself the moment it is connected, and every recipient is a
//! pretend phone that acknowledges, delivers, reads and answers after short delays ([`SandboxDelays`]). What is unusual
//! about a recipient is said by its number ([`MAGIC_NUMBERS`]); every other number, LID and group behaves as one hopes.
//! A message whose text starts with `reply:` is answered with the rest of it. docs/sandbox.md is the users' page.
//!
//! What the sandbox promises:
//! - **It is the same road.** Everything arrives through the same [`EventSink`] as from WhatsApp,
//!   with the same races: acknowledgements die with the connection, receipts and incoming texts that come while a
//!   session is disconnected wait until it is back, and an incoming text that was not stored comes again.
//! - **Nobody real is reached or named.** No network is touched, and the numbers that the sandbox itself makes up lie
//!   in +1 555 0xx xxxx: no exchange code of the North American plan starts with 0 (NANPA, "Central Office Code
//!   Assignment Guidelines"), so none of them can be a telephone.
//! - **It outlives the process.** What it still owes for a message is in a [`Mailbox`] from before the acknowledgement
//!   until the gateway has it on disk. The next process goes on from there: what is due happens as soon as the session
//!   is connected, the rest in its time.
//! - **A repeat is shown once.** A message that comes again under its id is acknowledged and receipted again, as on the
//!   wire, but answered once. The memory for that is bounded (`network.rs`).
//! - **It costs nothing when unused.** An idle session has no task; one timer task serves the whole engine
//!   and ends when nothing is under way. What is under way is bounded per session and in all, in memory and in the
//!   mailbox (`timer.rs`); past the bound messages wait, queued.

mod keeper;
mod line;
mod link;
mod mailbox;
mod network;
mod numbers;
mod script;
mod timer;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use waypost_domain::{EngineKind, Env, SessionId};

use crate::{Engine, EventSink, Link, LinkError, SessionSpec};
use link::SandboxLink;
use network::Network;

pub use mailbox::{Mailbox, MailboxChanges, MailboxError, MemoryMailbox, Owed, Reply};
pub use numbers::{MAGIC_NUMBERS, MagicNumber};

/// How long pretend phones take, counted from the send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SandboxDelays {
    /// Until the pretend server acknowledges or refuses.
    pub ack: Duration,
    /// Until the recipient's phone has the message.
    pub delivered: Duration,
    /// Until the recipient reads it.
    pub read: Duration,
    /// Until the recipient's answer comes in, where it answers.
    pub reply: Duration,
    /// How long a lost connection stays lost, counted from its loss.
    pub reconnect: Duration,
}

impl SandboxDelays {
    /// No delays: everything happens at once, in the same order.
    pub const NONE: Self = Self {
        ack: Duration::ZERO,
        delivered: Duration::ZERO,
        read: Duration::ZERO,
        reply: Duration::ZERO,
        reconnect: Duration::ZERO,
    };
}

impl Default for SandboxDelays {
    fn default() -> Self {
        Self {
            ack: Duration::from_millis(50),
            delivered: Duration::from_millis(150),
            read: Duration::from_millis(400),
            reply: Duration::from_millis(600),
            reconnect: Duration::from_secs(1),
        }
    }
}

/// The sandbox engine.
#[derive(Debug)]
pub struct SandboxEngine {
    network: Arc<Network>,
}

impl SandboxEngine {
    /// A network of pretend phones of its own, which keeps what it owes in `mailbox`. Touches neither network nor disk
    /// yet, and starts no task.
    pub fn new(delays: SandboxDelays, mailbox: Arc<dyn Mailbox>, env: Env) -> Self {
        Self { network: Arc::new(Network::new(delays, mailbox, env)) }
    }
}

#[async_trait]
impl Engine for SandboxEngine {
    fn kind(&self) -> EngineKind {
        EngineKind::Sandbox
    }

    async fn open(&self, session: SessionSpec, sink: Arc<dyn EventSink>) -> Result<Arc<dyn Link>, LinkError> {
        self.network.load().await?;
        Ok(Arc::new(SandboxLink::open(&self.network, session, sink)))
    }

    async fn forget(&self, session: SessionId) -> Result<(), LinkError> {
        Ok(self.network.forget(session).await?)
    }
}
