//! Messages of the queue that another version wrote and this one cannot read: each fails by itself, and what waits
//! behind it goes on.

use sea_orm::Value;
use waypost_domain::{Failure, FailureCode, StatusChange, Timestamp};

use super::{
    OutboxMessage,
    advance::{Movement, STANDING, Standing},
};
use crate::{StoreError, sql, writer::Tx};

const REASON: &str = "this version of Waypost cannot read the message";

/// Rows of the queue as they were read.
#[derive(Debug, Default)]
pub(crate) struct Readable {
    /// Oldest first.
    pub messages: Vec<OutboxMessage>,
    /// The positions of those that this version cannot read.
    pub others: Vec<i64>,
}

/// A row of the queue.
pub(super) enum Read {
    Message(OutboxMessage),
    /// Its position.
    Unreadable(i64),
}

impl Readable {
    /// Neither database promises an order for RETURNING.
    pub(super) fn sorted(rows: impl IntoIterator<Item = Result<Read, StoreError>>) -> Result<Self, StoreError> {
        let mut readable = Self::default();
        for row in rows {
            match row? {
                Read::Message(message) => readable.messages.push(message),
                Read::Unreadable(seq) => readable.others.push(seq),
            }
        }
        readable.messages.sort_unstable_by_key(|message| message.seq);
        Ok(readable)
    }
}

/// Fails messages at these positions that were claimed.
pub(crate) async fn fail(tx: &Tx, seqs: &[i64], now: Timestamp) -> Result<(), StoreError> {
    let failure = Failure { code: FailureCode::Unsendable, reason: Some(REASON.to_owned()) };
    let change = StatusChange::Failed(failure);
    for chunk in sql::chunks(seqs) {
        let rows = tx.all(find_sql(chunk.len()), chunk.iter().map(|seq| Value::from(*seq)).collect()).await?;
        let mut movement = Movement::of(rows.iter().map(Standing::read).collect::<Result<_, _>>()?);
        for index in 0..movement.messages.len() {
            let message = &movement.messages[index];
            tracing::warn!(
                tenant.id = %message.tenant_id, session.id = %message.session_id, message.id = %message.id,
                code = FailureCode::Unsendable.as_str(), "a message of another version of Waypost failed: {REASON}",
            );
            movement.advance(index, &change, now, tx);
        }
        movement.write(tx).await?;
    }
    Ok(())
}

pub(super) fn find_sql(count: usize) -> String {
    format!("SELECT {STANDING} FROM messages AS m WHERE m.seq IN ({})", sql::list(1, count))
}
