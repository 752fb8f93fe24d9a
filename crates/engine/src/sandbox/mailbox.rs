//! What the pretend network still owes, kept on disk: the port to it.
//!
//! WhatsApp's servers keep what a client has not confirmed, and so does the sandbox. A message stands in the mailbox
//! before it is acknowledged, and until the last receipt and the answer of its script are on disk at the gateway. Whoever
//! builds the engine says where the mailbox is.

use std::{collections::BTreeMap, sync::Mutex};

use async_trait::async_trait;
use waypost_domain::{Content, Jid, SessionId, Timestamp, WaMessageId};

use super::network::unpoisoned;
use crate::LinkError;

/// What is still owed for one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// The session that sent it.
    pub session: SessionId,
    /// Its id on the wire.
    pub wa_id: WaMessageId,
    /// Whom it went to, which says what is to happen.
    pub to: Jid,
    /// When it was sent: delays count from here.
    pub taken_at: Timestamp,
    /// Whether its receipts are to come. Otherwise only its id is kept, to know a repeat by.
    pub receipts: bool,
    /// The recipient's answer, where it answers.
    pub reply: Option<Reply>,
}

/// An answer. Its id is drawn once, so that it is stored once however often it is handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its id on the wire.
    pub wa_id: WaMessageId,
    /// What it carries.
    pub content: Content,
}

/// Changes of a mailbox, to be made together and in this order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MailboxChanges {
    /// Put in; of two for one message the later one stays.
    pub puts: Vec<Owed>,
    /// Taken out; what is not there is no error.
    pub removals: Vec<(SessionId, WaMessageId)>,
    /// Sessions whose whole mail goes.
    pub forgotten: Vec<SessionId>,
}

/// Keeps what is owed. It may fail; what was asked is then asked again.
#[async_trait]
pub trait Mailbox: Send + Sync + 'static {
    /// Makes changes, all or none. `Ok` when they are on disk.
    async fn write(&self, changes: MailboxChanges) -> Result<(), MailboxError>;

    /// All that is owed, in the order in which it was first put in.
    async fn load(&self) -> Result<Vec<Owed>, MailboxError>;
}

/// The mailbox cannot be reached now; for the log alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the sandbox's mailbox: {0}")]
pub struct MailboxError(pub String);

impl From<MailboxError> for LinkError {
    fn from(error: MailboxError) -> Self {
        Self::Internal(error.to_string())
    }
}

/// A mailbox that ends with the process, for tests.
#[derive(Debug, Default)]
pub struct MemoryMailbox {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    order: u64,
    owed: BTreeMap<(SessionId, String), (u64, Owed)>,
}

#[async_trait]
impl Mailbox for MemoryMailbox {
    async fn write(&self, changes: MailboxChanges) -> Result<(), MailboxError> {
        let mut kept = unpoisoned(&self.kept);
        for owed in changes.puts {
            kept.order += 1;
            let key = (owed.session, owed.wa_id.to_string());
            let order = kept.owed.get(&key).map_or(kept.order, |(order, _)| *order);
            kept.owed.insert(key, (order, owed));
        }
        for (session, wa_id) in changes.removals {
            kept.owed.remove(&(session, wa_id.to_string()));
        }
        kept.owed.retain(|(session, _), _| !changes.forgotten.contains(session));
        Ok(())
    }

    async fn load(&self) -> Result<Vec<Owed>, MailboxError> {
        let mut owed: Vec<_> = unpoisoned(&self.kept).owed.values().cloned().collect();
        owed.sort_by_key(|(order, _)| *order);
        Ok(owed.into_iter().map(|(_, owed)| owed).collect())
    }
}
