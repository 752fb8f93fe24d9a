//! Moving messages on: the one place where the status of a stored message changes by evidence, through
//! [`Progress::advance`].

use sea_orm::Value;
use waypost_domain::{
    Direction, EventType, Failure, MessageId, MessageStatus, Progress, SessionId, StatusChange, TenantId,
    TimelineEntry, Timestamp,
};

use super::{EvidenceOutcome, OPEN, event_data::MessageData, row};
use crate::{
    StoreError, events,
    events::{ErrorData, NewEvent},
    sql::{self, Row},
    writer::Tx,
};

const TABLE: &str = "messages";

/// How many waiting messages of a session that is gone are read at a time.
const FAIL_AT_A_TIME: i64 = 512;

/// What of a row decides its next status and makes its event, as `m`.
pub(super) const STANDING: &str = "m.seq, m.id, m.tenant_id, m.session_id, m.direction, m.recipient, m.remote_jid,
    m.kind, m.client_reference, m.status, m.failure";

/// Where a message stands within the transaction, and what is to be added to its row.
#[derive(Debug)]
pub(super) struct Standing {
    seq: i64,
    pub id: MessageId,
    pub tenant_id: TenantId,
    pub session_id: SessionId,
    direction: Direction,
    recipient: Option<String>,
    remote_jid: String,
    kind: String,
    client_reference: Option<String>,
    progress: Progress,
    /// Lines to be added to the timeline; empty while nothing changed.
    steps: String,
}

impl Standing {
    pub fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            seq: row.get(TABLE, 0)?,
            id: row.get::<uuid::Uuid>(TABLE, 1)?.into(),
            tenant_id: row.get::<uuid::Uuid>(TABLE, 2)?.into(),
            session_id: row.get::<uuid::Uuid>(TABLE, 3)?.into(),
            direction: row::direction(row, 4)?,
            recipient: row.get(TABLE, 5)?,
            remote_jid: row.get(TABLE, 6)?,
            kind: row.get(TABLE, 7)?,
            client_reference: row.get(TABLE, 8)?,
            progress: row::progress(row, 9)?,
            steps: String::new(),
        })
    }

    pub const fn status(&self) -> MessageStatus {
        self.progress.status
    }

    fn event(&self, kind: EventType, at: Timestamp, tx: &Tx) -> NewEvent {
        let data = MessageData {
            id: self.id,
            session_id: self.session_id,
            status: self.progress.status,
            direction: self.direction,
            to: self.recipient.as_deref(),
            remote_jid: &self.remote_jid,
            kind: &self.kind,
            client_reference: self.client_reference.as_deref(),
            error: self.progress.failure.as_ref().map(ErrorData::from),
            received: None,
            at,
        };
        NewEvent {
            id: tx.env.new_id(),
            tenant_id: self.tenant_id,
            session_id: Some(self.session_id),
            kind,
            data: sql::json(&data),
            created_at: at,
        }
    }
}

/// Messages that were read within the transaction, and the events of their changes. [`Self::write`] writes both.
#[derive(Debug, Default)]
pub(super) struct Movement {
    pub messages: Vec<Standing>,
    events: Vec<NewEvent>,
}

impl Movement {
    pub const fn of(messages: Vec<Standing>) -> Self {
        Self { messages, events: Vec::new() }
    }

    /// Applies one change to the message at `index`.
    pub fn advance(&mut self, index: usize, change: &StatusChange, at: Timestamp, tx: &Tx) -> EvidenceOutcome {
        let message = &mut self.messages[index];
        let span = tracing::debug_span!(
            "record", tenant.id = %message.tenant_id, session.id = %message.session_id, message.id = %message.id,
            status = tracing::field::Empty,
        )
        .entered();
        let Some(progress) = message.progress.advance(change) else {
            return EvidenceOutcome::Unchanged(message.progress.status);
        };
        let reason = progress.failure.as_ref().and_then(|failure| failure.reason.clone());
        let step = TimelineEntry { status: progress.status, at, reason };
        message.steps.push_str(&step_line(&step));
        message.progress = progress;
        let status = message.progress.status;
        span.record("status", status.as_str());
        tx.tally.reached(status, message.progress.failure.as_ref().map(|failure| failure.code), 1);
        if let Some(kind) = EventType::for_message(status) {
            let event = message.event(kind, at, tx);
            self.events.push(event);
        }
        EvidenceOutcome::Advanced(status)
    }

    /// Writes the rows that changed, and the events in their order.
    pub async fn write(self, tx: &Tx) -> Result<(), StoreError> {
        let now = tx.env.now().as_millis();
        let changed: Vec<Standing> = self.messages.into_iter().filter(|message| !message.steps.is_empty()).collect();
        for chunk in sql::chunks(&changed) {
            let values = chunk.iter().flat_map(|message| -> [Value; 5] {
                [
                    message.seq.into(),
                    message.progress.status.as_str().into(),
                    Value::String(message.progress.failure.as_ref().map(sql::json)),
                    now.into(),
                    message.steps.as_str().into(),
                ]
            });
            tx.execute(update_sql(chunk.len()), values.collect()).await?;
        }
        events::append(tx, &self.events).await
    }
}

pub(super) fn update_sql(count: usize) -> String {
    format!(
        "UPDATE messages SET status = v.column2, failure = v.column3, updated_at = v.column4,
         timeline = messages.timeline || v.column5
         FROM (VALUES {}) AS v WHERE messages.seq = v.column1",
        sql::tuples(1, count, 5)
    )
}

/// A step as it is added behind the others.
pub(super) fn step_line(step: &TimelineEntry) -> String {
    format!("\n{}", sql::json(step))
}

/// Fails all messages of a session that wait or are being sent. Returns how many.
pub(crate) async fn fail_waiting(
    tx: &Tx,
    session: SessionId,
    failure: &Failure,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let change = StatusChange::Failed(failure.clone());
    let mut failed = 0;
    let mut behind = 0;
    loop {
        let values = vec![session.as_uuid().into(), behind.into(), FAIL_AT_A_TIME.into()];
        let messages: Vec<Standing> =
            tx.all(waiting_sql(), values).await?.iter().map(Standing::read).collect::<Result<_, _>>()?;
        let Some(last) = messages.last() else {
            return Ok(failed);
        };
        behind = last.seq;
        let mut movement = Movement::of(messages);
        for index in 0..movement.messages.len() {
            if let EvidenceOutcome::Advanced(_) = movement.advance(index, &change, now, tx) {
                failed += 1;
            }
        }
        movement.write(tx).await?;
    }
}

pub(super) fn waiting_sql() -> String {
    format!("SELECT {STANDING} FROM messages AS m WHERE session_id = $1 AND {OPEN} AND seq > $2 ORDER BY seq LIMIT $3")
}
