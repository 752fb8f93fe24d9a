//! Expired messages: what was not handed over in time fails and is never sent.
//!
//! A claim passes over what has expired, so nothing here races with it. What expires is found by reading the index of
//! open messages ([`OPEN`]), which holds the expiry: 100,000 messages that wait are some hundredths of a second on a
//! reader, and no caller's accept writes an index for it.

use sea_orm::{DatabaseConnection, Value};
use waypost_domain::{Failure, FailureCode, MessageId, MessageStatus, SessionId, StatusChange, TenantId, Timestamp};

use super::{
    OPEN,
    advance::{Movement, STANDING, Standing},
};
use crate::{
    StoreError,
    sql::{self, Sql},
    writer::Tx,
};

const TABLE: &str = "messages";
/// How many messages one commit fails: others wait to write meanwhile.
const AT_A_TIME: u16 = 512;

/// When open messages end.
#[derive(Debug, Clone, Copy)]
pub struct ExpiryTimes {
    /// What was not handed over and expires at this time or before fails with `EXPIRED`.
    pub now: Timestamp,
    /// What was handed over, or may have been, and expires at this time or before fails with `NO_ACK`.
    pub unconfirmed: Timestamp,
}

/// A message that failed because its time was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpiredMessage {
    /// Its id.
    pub id: MessageId,
    /// Its tenant.
    pub tenant_id: TenantId,
    /// Its session.
    pub session_id: SessionId,
    /// What it failed with.
    pub code: FailureCode,
}

/// When the next open message ends, if `grace` is what messages that were handed over have beyond their expiry.
pub(super) async fn next(
    read: &Sql<DatabaseConnection>,
    grace: std::time::Duration,
) -> Result<Option<Timestamp>, StoreError> {
    let grace = i64::try_from(grace.as_millis()).unwrap_or(i64::MAX / 4);
    let row = read.one(next_sql(), vec![grace.into()]).await?;
    row.map_or(Ok(None), |row| row.optional_time(TABLE, 0))
}

pub(super) fn next_sql() -> String {
    format!(
        "SELECT MIN(CASE status WHEN 'sending' THEN expires_at + $1 ELSE expires_at END) FROM messages WHERE {OPEN}"
    )
}

/// Some of the messages that have expired.
pub(super) async fn find(read: &Sql<DatabaseConnection>, times: ExpiryTimes) -> Result<Vec<i64>, StoreError> {
    let values = vec![times.now.as_millis().into(), times.unconfirmed.as_millis().into(), i64::from(AT_A_TIME).into()];
    read.all(find_sql(), values).await?.iter().map(|row| row.get(TABLE, 0)).collect()
}

pub(super) fn find_sql() -> String {
    format!("SELECT seq FROM messages WHERE {OPEN} AND {EXPIRED} LIMIT $3")
}

/// Expired, with [`ExpiryTimes`] as the first two parameters.
const EXPIRED: &str = "expires_at <= CASE status WHEN 'sending' THEN $2 ELSE $1 END";

/// Fails those of the messages `seqs` that have still expired now that nothing else can move them.
pub(crate) async fn fail(tx: &Tx, seqs: &[i64], times: ExpiryTimes) -> Result<Vec<ExpiredMessage>, StoreError> {
    let mut messages = Vec::with_capacity(seqs.len());
    for chunk in sql::chunks(seqs) {
        let sql = format!(
            "SELECT {STANDING} FROM messages AS m WHERE {EXPIRED} AND {OPEN} AND seq IN ({})",
            sql::list(3, chunk.len())
        );
        let mut values: Vec<Value> = vec![times.now.as_millis().into(), times.unconfirmed.as_millis().into()];
        values.extend(chunk.iter().map(|seq| Value::from(*seq)));
        for row in tx.all(sql, values).await? {
            messages.push(Standing::read(&row)?);
        }
    }
    let mut movement = Movement::of(messages);
    let mut failed = Vec::with_capacity(movement.messages.len());
    for index in 0..movement.messages.len() {
        let message = &movement.messages[index];
        let failure = if message.status() == MessageStatus::Sending {
            let reason = "no acknowledgement before it expired".to_owned();
            Failure { code: FailureCode::NoAck, reason: Some(reason) }
        } else {
            Failure::new(FailureCode::Expired)
        };
        failed.push(ExpiredMessage {
            id: message.id,
            tenant_id: message.tenant_id,
            session_id: message.session_id,
            code: failure.code,
        });
        movement.advance(index, &StatusChange::Failed(failure), times.now, tx);
    }
    movement.write(tx).await?;
    Ok(failed)
}
