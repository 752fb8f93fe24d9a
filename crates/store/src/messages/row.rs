//! A message as it is read back.

use waypost_domain::{Direction, Message, MessageStatus, Progress, WaMessageId};

use crate::{
    StoreError,
    sql::{self, Row},
};

const TABLE: &str = "messages";

pub(super) const COLUMNS: &str = "seq, id, tenant_id, session_id, direction, wa_id, remote_jid, recipient, sender,
    push_name, content, client_reference, status, failure, created_at, updated_at, timeline, send_at,
    expires_at, sender_alt";

/// Reads a row of [`COLUMNS`].
pub(super) fn message(row: &Row) -> Result<Message, StoreError> {
    let sender: Option<String> = row.get(TABLE, 8)?;
    let content: String = row.get(TABLE, 10)?;
    let failure: Option<String> = row.get(TABLE, 13)?;
    let sender_alt: Option<String> = row.get(TABLE, 19)?;
    let timeline: String = row.get(TABLE, 16)?;
    let not_a_jid = || StoreError::Corrupt { table: TABLE, why: "the sender is no JID".to_owned() };
    Ok(Message {
        seq: row.get(TABLE, 0)?,
        id: row.get::<uuid::Uuid>(TABLE, 1)?.into(),
        tenant_id: row.get::<uuid::Uuid>(TABLE, 2)?.into(),
        session_id: row.get::<uuid::Uuid>(TABLE, 3)?.into(),
        direction: row.name(TABLE, 4, Direction::parse)?,
        wa_id: WaMessageId::from(row.get::<String>(TABLE, 5)?),
        remote_jid: row.name(TABLE, 6, |jid| jid.parse().ok())?,
        to: row.get(TABLE, 7)?,
        from: sender.map(|jid| jid.parse().map_err(|_| not_a_jid())).transpose()?,
        from_alt: sender_alt.map(|jid| jid.parse().map_err(|_| not_a_jid())).transpose()?,
        push_name: row.get(TABLE, 9)?,
        content: sql::from_json(TABLE, &content)?,
        client_reference: row.get(TABLE, 11)?,
        progress: Progress {
            status: row.name(TABLE, 12, MessageStatus::parse)?,
            failure: failure.map(|text| sql::from_json(TABLE, &text)).transpose()?,
        },
        send_at: row.optional_time(TABLE, 17)?,
        expires_at: row.optional_time(TABLE, 18)?,
        created_at: row.time(TABLE, 14)?,
        updated_at: row.time(TABLE, 15)?,
        timeline: timeline.lines().map(|line| sql::from_json(TABLE, line)).collect::<Result<_, _>>()?,
    })
}
