//! Messages: the queue, the record and the history in one table.
//!
//! The row is the queue (ARCHITECTURE.md, "The one way through"): a message that waits is a row with status `queued`, and
//! claiming it is an update to `sending`. Every change of a status writes the row, its timeline and its event in one
//! commit, through [`waypost_domain::Progress::advance`] and nothing else.

mod accept;
mod advance;
mod claim;
mod event_data;
mod expiry;
mod idempotency;
mod lanes;
mod list;
#[cfg(test)]
mod plans;
mod receive;
mod record;
mod row;
mod schedule;
mod unsendable;
mod waiting;

use waypost_domain::{
    Content, Direction, Failure, IdempotencyKey, Inbound, Jid, Message, MessageId, MessageStatus, Outgoing, SessionId,
    StatusChange, TenantId, Timestamp, WaMessageId,
};

pub(crate) use accept::{AcceptRows, PendingAccept, accept};
pub(crate) use advance::fail_waiting;
pub(crate) use claim::{Claim, claim};
pub use expiry::{ExpiredMessage, ExpiryTimes};
pub use idempotency::NewIdempotency;
pub use lanes::{PacedClaim, PacedClaimed};
pub(crate) use receive::{InboundRows, receive};
pub(crate) use record::record;
pub use schedule::DueMessages;
pub use waiting::OldestQueued;

use crate::{Page, PageRequest, Store, StoreError, writer::Request};

/// The condition of the partial index `messages_open`, word for word: SQLite uses the index only where a query repeats
/// it.
const OPEN: &str = "status IN ('scheduled', 'queued', 'sending')";

/// An outbound message to be written: with status `scheduled` where its `send_at` is still to come, else `queued`.
#[derive(Debug, Clone)]
pub struct NewOutbound {
    /// Its id.
    pub id: MessageId,
    /// Its tenant.
    pub tenant_id: TenantId,
    /// The session that will send it.
    pub session_id: SessionId,
    /// Its id on the wire.
    pub wa_id: WaMessageId,
    /// What `data.to` echoes.
    pub to: String,
    /// Where it goes.
    pub remote_jid: Jid,
    /// What it carries.
    pub content: Content,
    /// The caller's own reference.
    pub client_reference: Option<String>,
    /// When it is to be queued.
    pub send_at: Option<Timestamp>,
    /// When it fails unless it was handed to the network before.
    pub expires_at: Option<Timestamp>,
    /// When it was accepted.
    pub created_at: Timestamp,
}

impl NewOutbound {
    fn status(&self) -> MessageStatus {
        if self.send_at.is_some_and(|at| at > self.created_at) {
            MessageStatus::Scheduled
        } else {
            MessageStatus::Queued
        }
    }
}

/// What came of accepting a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AcceptOutcome {
    /// It is on disk.
    Accepted,
    /// Nothing was written: its key was used before for the same request, which was answered this.
    Replayed(String),
    /// Nothing was written: its key was used before for another request.
    Mismatch,
}

/// A claimed message: its row says `sending`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxMessage {
    /// Its id.
    pub id: MessageId,
    /// Its position in the order of acceptance.
    pub seq: i64,
    /// Its tenant.
    pub tenant_id: TenantId,
    /// What goes out. Messages to the same address keep their order.
    pub outgoing: Outgoing,
    /// From when on it may not be handed to the network any more.
    pub expires_at: Option<Timestamp>,
    /// Whether it goes to somebody whom the session does not know; said of paced sessions only.
    pub first_contact: bool,
}

/// What a claim brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claimed {
    /// The messages, oldest first.
    pub messages: Vec<OutboxMessage>,
    /// Whether there may be more.
    pub more: bool,
}

/// An inbound message to be written.
#[derive(Debug, Clone)]
pub struct NewInbound {
    /// Its id.
    pub id: MessageId,
    /// Its tenant.
    pub tenant_id: TenantId,
    /// The session that received it.
    pub session_id: SessionId,
    /// What came in. `(session, chat, sender, wa_id)` names it, and a repeat is not stored again.
    pub inbound: Inbound,
    /// The session's own number, where it is known.
    pub to: Option<String>,
    /// When we received it.
    pub received_at: Timestamp,
}

/// What came of storing an inbound message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InboundOutcome {
    /// It is new.
    Stored,
    /// It was there already.
    Repeat,
}

/// How a loop names a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageRef {
    /// By our id.
    Id(MessageId),
    /// By its id on the wire within its session, as acknowledgements and receipts do. Finds what was claimed.
    Wire(WaMessageId),
}

/// Evidence of what happened to an outbound message of a session.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// The session.
    pub session_id: SessionId,
    /// The message.
    pub message: MessageRef,
    /// What happened; the reason of a failure goes into the timeline too.
    pub change: StatusChange,
    /// When it happened, for the timeline.
    pub at: Timestamp,
}

/// What came of a piece of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvidenceOutcome {
    /// The message moved to this status.
    Advanced(MessageStatus),
    /// The message was that far already, or the change is not allowed from where it stands.
    Unchanged(MessageStatus),
    /// The session has no such message.
    Unknown,
}

/// The status of a message alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredStatus {
    /// The message.
    pub id: MessageId,
    /// Its status.
    pub status: MessageStatus,
}

/// Which messages a list is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MessageFilter {
    /// Of this session.
    pub session_id: Option<SessionId>,
    /// With this status.
    pub status: Option<MessageStatus>,
    /// In this direction.
    pub direction: Option<Direction>,
    /// With whoever has these addresses ([`Store::addresses_of`]): in the chat with one of them (`remote_jid`), or sent to
    /// what was written as one of them (`to`). Empty for everybody.
    pub with: Vec<Jid>,
    /// Created at or after this time.
    pub from: Option<Timestamp>,
    /// Created before this time.
    pub until: Option<Timestamp>,
}

impl Store {
    /// How many messages are scheduled, queued and being sent, counting `limit` messages at most. Waits for a reader as
    /// lists do.
    pub async fn count_open_system(&self, limit: u32) -> Result<Vec<(MessageStatus, u64)>, StoreError> {
        let _turn = self.list_turn().await?;
        waiting::count(self.read(), limit).await
    }

    /// Since when the oldest queued messages are due. Waits for a reader as lists do.
    pub async fn oldest_queued_system(&self) -> Result<OldestQueued, StoreError> {
        let _turn = self.list_turn().await?;
        waiting::oldest(self.read()).await
    }

    /// Writes an outbound message, its timeline and, where it is queued, its event. Returns after the commit, which
    /// it shares with whatever else waits to be written. [`StoreError::Duplicate`] never happens for fresh ids.
    pub async fn accept_message(&self, message: NewOutbound) -> Result<(), StoreError> {
        let rows = AcceptRows::new(&message, None, self.env().new_id());
        self.writer().submit(Box::new(rows), Request::Accept).await.map(drop)
    }

    /// Writes an outbound message like [`Self::accept_message`], and its key in the same commit; nothing where the key
    /// was used within [`IdempotencyKey::KEPT`] before the message's `created_at`.
    pub async fn accept_message_once(
        &self,
        message: NewOutbound,
        once: NewIdempotency,
    ) -> Result<AcceptOutcome, StoreError> {
        let rows = AcceptRows::new(&message, Some(once), self.env().new_id());
        self.writer().submit(Box::new(rows), Request::Accept).await
    }

    /// What a request with this key gets at `now`; `None` where it is the first.
    pub async fn earlier_answer(
        &self,
        tenant: TenantId,
        key: &IdempotencyKey,
        fingerprint: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<AcceptOutcome>, StoreError> {
        idempotency::earlier(self.read(), tenant, key, fingerprint, now).await
    }

    /// Deletes the keys that count no more at `now`, a part at a time. Returns how many.
    pub async fn prune_idempotency_keys_system(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut pruned = 0;
        loop {
            let (some, more) = self.writer().change(now, |tx, now| Box::pin(idempotency::prune(tx, *now))).await?;
            pruned += some;
            if !more {
                return Ok(pruned);
            }
        }
    }

    /// Queues some of the messages that are due at `now`, in the order of their `sendAt` and then of acceptance.
    pub async fn queue_due_system(&self, now: Timestamp) -> Result<DueMessages, StoreError> {
        self.writer().change(now, |tx, now| Box::pin(schedule::queue_due(tx, *now))).await
    }

    /// When the next open message expires. One that was handed over, or may have been, has `grace` beyond its expiry.
    pub async fn next_expiry_system(&self, grace: std::time::Duration) -> Result<Option<Timestamp>, StoreError> {
        expiry::next(self.read(), grace).await
    }

    /// Fails some of the messages that have expired. None where there are no more.
    pub async fn fail_expired_system(&self, times: ExpiryTimes) -> Result<Vec<ExpiredMessage>, StoreError> {
        let found = expiry::find(self.read(), times).await?;
        if found.is_empty() {
            return Ok(Vec::new());
        }
        self.writer().change(found, move |tx, found| Box::pin(expiry::fail(tx, found, times))).await
    }

    /// Claims up to `limit` queued messages of a session in the order of acceptance, leaving out the chats in `busy`
    /// and what has expired: marks them `sending` and returns them after the commit. What this version cannot read of them
    /// fails instead, in the same commit.
    pub async fn claim_queued_system(
        &self,
        session: SessionId,
        busy: &[Jid],
        limit: u32,
        now: Timestamp,
    ) -> Result<Claimed, StoreError> {
        self.writer().submit(Claim::new(session, busy, limit, now), Request::Claim).await
    }

    /// The messages of a session that were `sending` when the process died or the connection broke, oldest first:
    /// they go out again under their ids. What this version cannot read of them fails first.
    pub async fn sending_system(&self, session: SessionId) -> Result<Vec<OutboxMessage>, StoreError> {
        let sending = claim::sending(self.read(), session).await?;
        if !sending.others.is_empty() {
            let now = self.env().now();
            self.writer().change(sending.others, move |tx, seqs| Box::pin(unsendable::fail(tx, seqs, now))).await?;
        }
        Ok(sending.messages)
    }

    /// Applies evidence in order, in one commit: rows, timelines and events. The answers stand in the order of the
    /// evidence.
    pub async fn record_evidence_system(&self, evidence: Vec<Evidence>) -> Result<Vec<EvidenceOutcome>, StoreError> {
        self.writer().submit(evidence, Request::Evidence).await
    }

    /// Fails every message of a session that still waits or is being sent, because its session is gone.
    pub async fn fail_waiting_system(
        &self,
        session: SessionId,
        failure: Failure,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        self.writer().change(failure, move |tx, failure| Box::pin(fail_waiting(tx, session, failure, now))).await
    }

    /// Stores inbound messages and their events in one commit; repeats are left out. The answers stand in the order
    /// of the messages. The timeline carries the network's time, `created_at` ours.
    pub async fn store_inbound(&self, messages: Vec<NewInbound>) -> Result<Vec<InboundOutcome>, StoreError> {
        let rows = messages.iter().map(|message| InboundRows::new(message, self.env().new_id())).collect();
        self.writer().submit(rows, Request::Inbound).await
    }

    /// Whether the session has this inbound message. Walks the session's inbound messages: it is asked after a crash
    /// only.
    pub async fn has_inbound_system(&self, session: SessionId, wa_id: &WaMessageId) -> Result<bool, StoreError> {
        receive::is_there(self.read(), session, wa_id).await
    }

    /// One message of the tenant.
    pub async fn message(&self, tenant: TenantId, message: MessageId) -> Result<Option<Message>, StoreError> {
        list::one(self.read(), tenant, message).await
    }

    /// The tenant's messages that match, newest first. A page may end early, with a cursor: see [`list`].
    pub async fn messages(
        &self,
        tenant: TenantId,
        filter: &MessageFilter,
        page: PageRequest,
    ) -> Result<Page<Message>, StoreError> {
        let _turn = self.list_turn().await?;
        list::many(self.read(), tenant, filter, page).await
    }

    /// The sessions that have queued messages.
    pub async fn sessions_with_queued_system(&self) -> Result<Vec<SessionId>, StoreError> {
        list::sessions_with_queued(self.read()).await
    }
}
