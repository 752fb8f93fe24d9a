//! Scheduled messages: when their time comes they are queued, with the event and the step that tell of it.

use waypost_domain::{MessageStatus, SessionId, StatusChange, Timestamp};

use super::advance::{Movement, STANDING, Standing};
use crate::{StoreError, writer::Tx};

/// How many messages one commit queues: others wait to write meanwhile.
const AT_A_TIME: u16 = 256;

/// What came of queueing what is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueMessages {
    /// The sessions whose messages were queued, each once.
    pub sessions: Vec<SessionId>,
    /// When the next message is due: a time in the past where there are more.
    pub next: Option<Timestamp>,
}

/// Queues some of the messages that are due at `now`: by their `sendAt`, and of the same time in the order of
/// acceptance.
pub(crate) async fn queue_due(tx: &Tx, now: Timestamp) -> Result<DueMessages, StoreError> {
    let rows = tx.all(due_sql(), vec![now.as_millis().into(), i64::from(AT_A_TIME).into()]).await?;
    let messages = rows.iter().map(Standing::read).collect::<Result<Vec<_>, _>>()?;
    let mut sessions: Vec<SessionId> = messages.iter().map(|message| message.session_id).collect();
    sessions.sort_unstable();
    sessions.dedup();
    let mut movement = Movement::of(messages);
    for index in 0..movement.messages.len() {
        movement.advance(index, &StatusChange::To(MessageStatus::Queued), now, tx);
    }
    movement.write(tx).await?;
    let next = tx.one(next_sql(), Vec::new()).await?.map(|row| row.time("messages", 0)).transpose()?;
    Ok(DueMessages { sessions, next })
}

pub(super) fn due_sql() -> String {
    format!(
        "SELECT {STANDING} FROM messages AS m WHERE m.status = 'scheduled' AND m.send_at <= $1
         ORDER BY m.send_at, m.seq LIMIT $2"
    )
}

pub(super) const fn next_sql() -> &'static str {
    "SELECT send_at FROM messages WHERE status = 'scheduled' ORDER BY send_at LIMIT 1"
}
