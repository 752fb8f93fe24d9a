//! How many messages wait, and since when: what `/metrics` shows of the queue.
//!
//! Both read the index of open messages ([`OPEN`]) and a bounded part of it: entries up to a limit, or two entries for each
//! session.

use sea_orm::DatabaseConnection;
use waypost_domain::{MessageStatus, SessionStatus, Timestamp};

use super::OPEN;
use crate::{StoreError, sql::Sql};

const TABLE: &str = "messages";

/// The oldest queued messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OldestQueued {
    /// Since when the oldest one of the connected sessions is due.
    pub connected: Option<Timestamp>,
    /// The same for all other sessions: their messages wait for a connection.
    pub others: Option<Timestamp>,
}

/// How many messages have each of the open statuses, counting `limit` messages at most.
pub(super) async fn count(read: &Sql<DatabaseConnection>, limit: u32) -> Result<Vec<(MessageStatus, u64)>, StoreError> {
    let rows = read.all(count_sql(), vec![i64::from(limit).into()]).await?;
    rows.iter().map(|row| Ok((row.name(TABLE, 0, MessageStatus::parse)?, row.count(TABLE, 1)?))).collect()
}

/// The order keeps PostgreSQL on the index: else it may read the table.
pub(super) fn count_sql() -> String {
    format!(
        "SELECT status, COUNT(*) FROM (SELECT status FROM messages WHERE {OPEN}
         ORDER BY session_id, status, lane, seq LIMIT $1) AS open GROUP BY status"
    )
}

/// Since when the oldest queued messages are due.
pub(super) async fn oldest(read: &Sql<DatabaseConnection>) -> Result<OldestQueued, StoreError> {
    let mut oldest = OldestQueued::default();
    for row in read.all(oldest_sql(), vec![SessionStatus::Connected.as_str().into()]).await? {
        let side = if row.get::<i64>(TABLE, 0)? == 1 { &mut oldest.connected } else { &mut oldest.others };
        *side = row.optional_time(TABLE, 1)?;
    }
    Ok(oldest)
}

/// One entry of the index for each session and lane, instead of all that are queued.
pub(super) fn oldest_sql() -> String {
    format!(
        "SELECT CAST(connected AS BIGINT), MIN(due) FROM (
             SELECT CASE WHEN s.status = $1 THEN 1 ELSE 0 END AS connected,
                 (SELECT COALESCE(m.send_at, m.created_at) FROM messages AS m
                  WHERE m.session_id = s.id AND m.status = 'queued' AND m.lane = v.column1 AND m.{OPEN}
                  ORDER BY m.seq LIMIT 1) AS due
             FROM sessions AS s CROSS JOIN (VALUES (0), (1)) AS v
         ) AS queued GROUP BY connected"
    )
}
