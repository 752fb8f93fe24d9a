//! A message as it is read back. What another version wrote is shown as unknown.

use waypost_domain::{
    Content, Direction, Failure, Message, MessageStatus, Progress, TimelineEntry, Timestamp, WaMessageId,
    status::FailureCode,
};

use crate::{StoreError, sql::Row};

const TABLE: &str = "messages";

pub(super) const COLUMNS: &str = "seq, id, tenant_id, session_id, direction, wa_id, remote_jid, recipient, sender,
    push_name, content, client_reference, status, failure, created_at, updated_at, timeline, send_at,
    expires_at, sender_alt";

/// Reads a row of [`COLUMNS`].
pub(super) fn message(row: &Row) -> Result<Message, StoreError> {
    let updated_at = row.time(TABLE, 15)?;
    let timeline: String = row.get(TABLE, 16)?;
    Ok(Message {
        seq: row.get(TABLE, 0)?,
        id: row.get::<uuid::Uuid>(TABLE, 1)?.into(),
        tenant_id: row.get::<uuid::Uuid>(TABLE, 2)?.into(),
        session_id: row.get::<uuid::Uuid>(TABLE, 3)?.into(),
        direction: direction(row, 4)?,
        wa_id: WaMessageId::from(row.get::<String>(TABLE, 5)?),
        remote_jid: row.get(TABLE, 6)?,
        to: row.get(TABLE, 7)?,
        from: row.optional(TABLE, 8)?,
        from_alt: row.optional(TABLE, 19)?,
        push_name: row.get(TABLE, 9)?,
        content: row.json_or(TABLE, 10, Content::Unknown)?,
        client_reference: row.get(TABLE, 11)?,
        progress: progress(row, 12)?,
        send_at: row.optional_time(TABLE, 17)?,
        expires_at: row.optional_time(TABLE, 18)?,
        created_at: row.time(TABLE, 14)?,
        updated_at,
        timeline: timeline.lines().map(|line| step(line, updated_at)).collect(),
    })
}

pub(super) fn direction(row: &Row, column: usize) -> Result<Direction, StoreError> {
    row.name_or(TABLE, column, Direction::parse, Direction::Unknown)
}

/// Reads the status at `column` and the failure behind it.
pub(super) fn progress(row: &Row, column: usize) -> Result<Progress, StoreError> {
    Ok(Progress {
        status: row.name_or(TABLE, column, MessageStatus::parse, MessageStatus::Unknown)?,
        failure: row.optional_json_or(TABLE, column + 1, || Some(Failure::new(FailureCode::Unknown)))?,
    })
}

/// `updated_at` stands in for a time that cannot be read.
fn step(line: &str, updated_at: Timestamp) -> TimelineEntry {
    let unknown = TimelineEntry { status: MessageStatus::Unknown, at: updated_at, reason: None };
    serde_json::from_str(line).unwrap_or(unknown)
}
