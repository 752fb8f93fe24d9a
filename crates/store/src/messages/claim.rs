//! Claiming: the step from `queued` to `sending`, by which a message leaves the queue for exactly one sender. What this
//! version cannot read goes on to `failed` in the same commit ([`unsendable`]).

use sea_orm::{DatabaseConnection, Value};
use waypost_domain::{Content, Jid, MessageStatus, Outgoing, SessionId, TimelineEntry, Timestamp, WaMessageId};

use super::{
    Claimed, OPEN, OutboxMessage,
    advance::step_line,
    unsendable::{self, Read, Readable},
};
use crate::{
    StoreError,
    sql::{self, Row, Sql},
    writer::{Pending, Tx},
};

const TABLE: &str = "messages";
pub(super) const COLUMNS: &str = "seq, id, tenant_id, wa_id, remote_jid, content, expires_at";

/// What a claim does to a row; $1 is the time, $2 the step for the timeline. Whatever its lane was, it has none now.
pub(super) const CLAIMED: &str =
    "SET status = 'sending', on_wire = TRUE, lane = 0, updated_at = $1, timeline = timeline || $2";

/// What to claim.
#[derive(Debug)]
pub(crate) struct Claim {
    session: SessionId,
    busy: Vec<String>,
    limit: u32,
    now: Timestamp,
}

impl Claim {
    pub fn new(session: SessionId, busy: &[Jid], limit: u32, now: Timestamp) -> Self {
        let mut busy: Vec<String> = busy.iter().map(Jid::to_string).collect();
        // Repeated up to a power of two: a handful of statements serves any number of busy chats.
        if let Some(last) = busy.last().cloned() {
            busy.resize(busy.len().next_power_of_two(), last);
        }
        Self { session, busy, limit, now }
    }
}

/// Claims in the order of the requests.
pub(crate) async fn claim(tx: &Tx, requests: Vec<&mut Pending<Claim, Claimed>>) -> Result<(), StoreError> {
    for request in requests {
        request.outcome = Some(claim_one(tx, &request.input).await?);
    }
    Ok(())
}

async fn claim_one(tx: &Tx, claim: &Claim) -> Result<Claimed, StoreError> {
    let step = TimelineEntry { status: MessageStatus::Sending, at: claim.now, reason: None };
    let mut values: Vec<Value> = vec![
        claim.now.as_millis().into(),
        step_line(&step).into(),
        claim.session.as_uuid().into(),
        i64::from(claim.limit).into(),
    ];
    values.extend(claim.busy.iter().map(|chat| chat.as_str().into()));
    let rows = tx.all(claim_sql(claim.busy.len()), values).await?;
    tx.tally.reached(MessageStatus::Sending, None, rows.len());
    let readable = Readable::sorted(rows.iter().map(outbox_message))?;
    unsendable::fail(tx, &readable.others, claim.now).await?;
    // A full claim may have left some behind.
    Ok(Claimed { messages: readable.messages, more: rows.len() >= claim.limit as usize })
}

/// What has expired is not claimed; [`super::expiry`] fails it. The outer `status = 'queued'` says once more what the inner one found, so that the claim holds by itself.
pub(super) fn claim_sql(busy: usize) -> String {
    let not_busy = if busy == 0 { String::new() } else { format!("AND remote_jid NOT IN ({})", sql::list(5, busy)) };
    format!(
        "UPDATE messages {CLAIMED} WHERE status = 'queued' AND seq IN (
             SELECT seq FROM messages WHERE session_id = $3 AND status = 'queued' AND lane = 0 AND {OPEN} {not_busy}
             AND (expires_at IS NULL OR expires_at > $1)
             ORDER BY seq LIMIT $4
         ) RETURNING {COLUMNS}"
    )
}

/// The messages of a session that are being sent.
pub(super) async fn sending(read: &Sql<DatabaseConnection>, session: SessionId) -> Result<Readable, StoreError> {
    let rows = read.all(sending_sql(), vec![session.as_uuid().into()]).await?;
    Readable::sorted(rows.iter().map(outbox_message))
}

pub(super) fn sending_sql() -> String {
    format!(
        "SELECT {COLUMNS} FROM messages WHERE session_id = $1 AND status = 'sending' AND lane = 0 AND {OPEN}
         ORDER BY seq"
    )
}

pub(super) fn outbox_message(row: &Row) -> Result<Read, StoreError> {
    let seq = row.get(TABLE, 0)?;
    let content = row.json_or(TABLE, 5, Content::Unknown)?;
    let Some(remote_jid) = row.optional(TABLE, 4)?.filter(|_| content != Content::Unknown) else {
        return Ok(Read::Unreadable(seq));
    };
    Ok(Read::Message(OutboxMessage {
        seq,
        id: row.get::<uuid::Uuid>(TABLE, 1)?.into(),
        tenant_id: row.get::<uuid::Uuid>(TABLE, 2)?.into(),
        outgoing: Outgoing { wa_id: WaMessageId::from(row.get::<String>(TABLE, 3)?), to: remote_jid, content },
        expires_at: row.optional_time(TABLE, 6)?,
        first_contact: false,
    }))
}

#[cfg(test)]
mod tests {
    use waypost_domain::{Progress, StatusChange};

    use super::*;

    #[test]
    fn the_step_that_a_claim_writes_is_one_that_the_status_machine_allows() {
        let sending = StatusChange::To(MessageStatus::Sending);
        assert_eq!(Progress::at(MessageStatus::Queued).advance(&sending), Some(Progress::at(MessageStatus::Sending)));
    }
}
