//! The two lanes of a paced session's queue. First contacts wait in one of their own (`lane = 1`), so that no claim of
//! the other reads past them, however many there are.
//!
//! A message finds its lane when a claim of a paced session meets it, [`LOOK`] messages at a time: rows of sessions that
//! are not paced stay in lane 0, and their claims cost nothing more. It guarantees that
//! - messages of one chat keep their order: while one waits as a first contact, those behind it in its chat do too;
//! - a stranger gets one message, and the next when that one is settled ([`PacedClaim::on_their_way`]);
//! - a claim reads a bounded number of rows, and counts what it takes as sent in the same commit (`pacing_spent`): what
//!   may have left is counted, whatever dies.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use sea_orm::{ConnectionTrait, Value};
use waypost_domain::{Jid, JidServer, MessageStatus, SessionId, TenantId, TimelineEntry, Timestamp};

use super::{
    OPEN, OutboxMessage,
    advance::step_line,
    claim::{self, CLAIMED},
    unsendable::{self, Readable},
};
use crate::{
    Store, StoreError, pacing,
    sql::{self, Row, Sql},
    writer::Tx,
};

const TABLE: &str = "messages";

/// The most messages that a claim looks at in a lane.
const LOOK: usize = 128;
/// The most rows or chats that move from lane to lane in one commit.
const MOVE: i64 = 512;

/// What proves that a session and a chat know each other.
const MET: &str = "status IN ('sent', 'delivered', 'read', 'played', 'received')";

/// What to claim of a paced session.
#[derive(Debug, Clone)]
pub struct PacedClaim {
    /// The session's tenant.
    pub tenant_id: TenantId,
    /// The session.
    pub session_id: SessionId,
    /// Chats to leave out.
    pub busy: Vec<Jid>,
    /// Chats whose first contact is on its way: they get no second one.
    pub on_their_way: Vec<Jid>,
    /// The most messages.
    pub limit: u32,
    /// The most first contacts among them.
    pub first_contacts: u32,
    /// When.
    pub now: Timestamp,
}

/// What a claim of a paced session brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PacedClaimed {
    /// The messages, oldest first.
    pub messages: Vec<OutboxMessage>,
    /// Whether there may be more that are no first contacts.
    pub more: bool,
    /// Whether first contacts wait that could go if they were allowed to.
    pub first_contacts_wait: bool,
}

impl Store {
    /// Claims messages of a paced session in the order of acceptance: marks them `sending` and returns them after the
    /// commit.
    pub async fn claim_paced_system(&self, wanted: PacedClaim) -> Result<PacedClaimed, StoreError> {
        self.writer().change(wanted, |tx, wanted| Box::pin(claim_paced(tx, wanted))).await
    }

    /// [`Store::sending_system`] of a paced session: says which are first contacts.
    pub async fn sending_paced_system(
        &self,
        tenant: TenantId,
        session: SessionId,
    ) -> Result<Vec<OutboxMessage>, StoreError> {
        let mut messages = self.sending_system(session).await?;
        let chats: BTreeSet<String> = messages.iter().filter_map(|message| person(&message.outgoing.to)).collect();
        let met = met(self.read(), tenant, session, chats).await?;
        for message in &mut messages {
            message.first_contact = person(&message.outgoing.to).is_some_and(|chat| !met.contains(&chat));
        }
        Ok(messages)
    }

    /// Takes chats that the session knows now out of the lane of first contacts.
    pub async fn met_system(&self, session: SessionId, chats: Vec<Jid>) -> Result<(), StoreError> {
        let chats: Vec<String> = chats.iter().map(Jid::to_string).collect();
        self.writer().change(chats, move |tx, chats| Box::pin(leave_lane(tx, session, chats))).await
    }

    /// Takes every chat that the session knows out of the lane of first contacts: what a process that died did not come
    /// to do.
    pub async fn met_anew_system(&self, tenant: TenantId, session: SessionId) -> Result<(), StoreError> {
        loop {
            let values = vec![session.as_uuid().into(), tenant.as_uuid().into(), MOVE.into()];
            let rows = self.read().all(met_strangers_sql(), values).await?;
            if rows.is_empty() {
                return Ok(());
            }
            let chats = rows.iter().map(|row| row.get(TABLE, 0)).collect::<Result<Vec<String>, _>>()?;
            self.writer().change(chats, move |tx, chats| Box::pin(leave_lane(tx, session, chats))).await?;
        }
    }

    /// Gives up the lane of first contacts of a session that is not paced any more.
    pub async fn leave_lanes_system(&self, session: SessionId) -> Result<(), StoreError> {
        // Most sessions never had one: that costs a look, not a commit.
        while self.read().one(any_stranger_sql(), vec![session.as_uuid().into()]).await?.is_some() {
            self.writer()
                .change((), move |tx, ()| {
                    Box::pin(tx.execute(leave_lanes_sql(), vec![session.as_uuid().into(), MOVE.into()]))
                })
                .await?;
        }
        Ok(())
    }
}

/// The chat as it stands in the table, where it is one with a person.
fn person(chat: &Jid) -> Option<String> {
    (chat.server() != JidServer::Group).then(|| chat.to_string())
}

fn is_person(chat: &str) -> bool {
    !chat.ends_with("@g.us")
}

async fn claim_paced(tx: &Tx, wanted: &PacedClaim) -> Result<PacedClaimed, StoreError> {
    let busy: Vec<String> = wanted.busy.iter().map(Jid::to_string).collect();
    let page = look(tx, wanted, 0, &busy).await?;
    let strangers = strangers(tx, wanted, &page).await?;
    let (first_contacts, mut candidates): (Vec<_>, Vec<_>) =
        page.iter().cloned().partition(|(_, chat)| strangers.contains(chat));
    enter_lane(tx, &first_contacts).await?;

    let out = busy.into_iter().chain(wanted.on_their_way.iter().map(Jid::to_string)).collect::<Vec<_>>();
    let lane = look(tx, wanted, 1, &out).await?;
    // The first message of each chat, oldest first.
    let mut heads: BTreeMap<&str, i64> = BTreeMap::new();
    for (seq, chat) in &lane {
        heads.entry(chat).or_insert(*seq);
    }
    let mut heads: Vec<i64> = heads.into_values().collect();
    heads.sort_unstable();
    let allowed = usize::try_from(wanted.first_contacts).unwrap_or(usize::MAX);
    let chosen: HashSet<i64> = heads.iter().copied().take(allowed).collect();
    candidates.extend(lane.iter().filter(|(seq, _)| chosen.contains(seq)).cloned());
    candidates.sort_unstable();
    let limit = usize::try_from(wanted.limit).unwrap_or(usize::MAX);
    let taken: Vec<i64> = candidates.iter().take(limit).map(|(seq, _)| *seq).collect();

    let first_taken = taken.iter().filter(|seq| chosen.contains(seq)).count();
    let Readable { mut messages, others: unreadable } = take(tx, wanted, &taken).await?;
    unsendable::fail(tx, &unreadable, wanted.now).await?;
    for message in &mut messages {
        message.first_contact = chosen.contains(&message.seq);
    }
    if !messages.is_empty() {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let first_contacts = messages.iter().filter(|message| message.first_contact).count();
        pacing::spend(tx, wanted.session_id, wanted.now, count(messages.len()), count(first_contacts)).await?;
    }
    Ok(PacedClaimed {
        messages,
        more: page.len() >= LOOK || taken.len() - first_taken < page.len() - first_contacts.len(),
        // Behind one that failed, the next of its chat may go.
        first_contacts_wait: lane.len() >= LOOK || first_taken < heads.len() || !unreadable.is_empty(),
    })
}

/// The first messages of a lane: their positions and chats.
async fn look(tx: &Tx, wanted: &PacedClaim, lane: u8, out: &[String]) -> Result<Vec<(i64, String)>, StoreError> {
    let mut out = out.to_vec();
    if let Some(last) = out.last().cloned() {
        out.resize(out.len().next_power_of_two(), last);
    }
    let look = i64::try_from(LOOK).expect("a small number");
    let mut values: Vec<Value> = vec![wanted.session_id.as_uuid().into(), look.into(), wanted.now.as_millis().into()];
    let sql = look_sql(lane, out.len());
    values.extend(out.into_iter().map(Value::from));
    let rows = tx.all(sql, values).await?;
    rows.iter().map(|row| Ok((row.get(TABLE, 0)?, row.get(TABLE, 1)?))).collect()
}

pub(super) fn look_sql(lane: u8, out: usize) -> String {
    let out = if out == 0 { String::new() } else { format!("AND remote_jid NOT IN ({})", sql::list(4, out)) };
    format!(
        "SELECT seq, remote_jid FROM messages
         WHERE session_id = $1 AND status = 'queued' AND lane = {lane} AND {OPEN} {out}
         AND (expires_at IS NULL OR expires_at > $3) ORDER BY seq LIMIT $2"
    )
}

/// The chats in `page` that the session does not know. One that has first contacts waiting is not asked about again.
async fn strangers(tx: &Tx, wanted: &PacedClaim, page: &[(i64, String)]) -> Result<HashSet<String>, StoreError> {
    let mut chats: BTreeSet<String> =
        page.iter().map(|(_, chat)| chat).filter(|chat| is_person(chat)).cloned().collect();
    let mut strangers = HashSet::new();
    let all: Vec<String> = chats.iter().cloned().collect();
    for chunk in sql::chunks(&all) {
        let values = std::iter::once(wanted.session_id.as_uuid().into()).chain(chunk.iter().map(Value::from));
        for row in tx.all(waiting_chats_sql(chunk.len()), values.collect()).await? {
            let chat: String = row.get(TABLE, 0)?;
            chats.remove(&chat);
            strangers.insert(chat);
        }
    }
    let met = met(&**tx, wanted.tenant_id, wanted.session_id, chats.clone()).await?;
    strangers.extend(chats.into_iter().filter(|chat| !met.contains(chat)));
    Ok(strangers)
}

pub(super) fn waiting_chats_sql(count: usize) -> String {
    format!(
        "SELECT DISTINCT remote_jid FROM messages
         WHERE session_id = $1 AND lane = 1 AND status = 'queued' AND remote_jid IN ({})",
        sql::list(2, count)
    )
}

/// Those of `chats` that the session knows.
async fn met<C: ConnectionTrait>(
    read: &Sql<C>,
    tenant: TenantId,
    session: SessionId,
    chats: BTreeSet<String>,
) -> Result<HashSet<String>, StoreError> {
    let chats: Vec<String> = chats.into_iter().collect();
    let mut met = HashSet::new();
    for chunk in sql::chunks(&chats) {
        let ids: [Value; 2] = [tenant.as_uuid().into(), session.as_uuid().into()];
        let values = ids.into_iter().chain(chunk.iter().map(Value::from)).collect();
        let rows: Vec<Row> = read.all(met_sql(chunk.len()), values).await?;
        for row in rows {
            met.insert(row.get::<String>(TABLE, 0)?);
        }
    }
    Ok(met)
}

/// COALESCE keeps SQLite from walking the session's messages: the chat's are few.
pub(super) fn met_sql(count: usize) -> String {
    format!(
        "SELECT v.column1 FROM (VALUES {}) AS v WHERE EXISTS (SELECT 1 FROM messages AS m
         WHERE m.tenant_id = $1 AND m.remote_jid = v.column1 AND COALESCE(m.session_id, m.session_id) = $2 AND m.{MET})",
        sql::tuples(3, count, 1)
    )
}

async fn enter_lane(tx: &Tx, rows: &[(i64, String)]) -> Result<(), StoreError> {
    for chunk in sql::chunks(rows) {
        let sql = format!("UPDATE messages SET lane = 1 WHERE seq IN ({})", sql::list(1, chunk.len()));
        tx.execute(sql, chunk.iter().map(|(seq, _)| (*seq).into()).collect()).await?;
    }
    Ok(())
}

async fn leave_lane(tx: &Tx, session: SessionId, chats: &[String]) -> Result<(), StoreError> {
    for chunk in sql::chunks(chats) {
        let values = std::iter::once(session.as_uuid().into()).chain(chunk.iter().map(Value::from));
        tx.execute(leave_lane_sql(chunk.len()), values.collect()).await?;
    }
    Ok(())
}

pub(super) fn leave_lane_sql(count: usize) -> String {
    format!(
        "UPDATE messages SET lane = 0
         WHERE session_id = $1 AND lane = 1 AND status = 'queued' AND remote_jid IN ({})",
        sql::list(2, count)
    )
}

pub(super) fn any_stranger_sql() -> &'static str {
    "SELECT 1 FROM messages WHERE session_id = $1 AND lane = 1 AND status = 'queued' LIMIT 1"
}

pub(super) fn leave_lanes_sql() -> &'static str {
    "UPDATE messages SET lane = 0 WHERE seq IN (
         SELECT seq FROM messages WHERE session_id = $1 AND lane = 1 AND status = 'queued' LIMIT $2
     )"
}

pub(super) fn met_strangers_sql() -> String {
    format!(
        "SELECT DISTINCT w.remote_jid FROM messages AS w
         WHERE w.session_id = $1 AND w.lane = 1 AND w.status = 'queued' AND EXISTS (SELECT 1 FROM messages AS m
         WHERE m.tenant_id = $2 AND m.remote_jid = w.remote_jid AND COALESCE(m.session_id, m.session_id) = $1 AND m.{MET}) LIMIT $3"
    )
}

/// Marks messages `sending` and gives them.
async fn take(tx: &Tx, wanted: &PacedClaim, seqs: &[i64]) -> Result<Readable, StoreError> {
    let step = step_line(&TimelineEntry { status: MessageStatus::Sending, at: wanted.now, reason: None });
    let mut rows = Vec::with_capacity(seqs.len());
    for chunk in sql::chunks(seqs) {
        let sql = format!(
            "UPDATE messages {CLAIMED} WHERE status = 'queued' AND seq IN ({}) RETURNING {}",
            sql::list(3, chunk.len()),
            claim::COLUMNS
        );
        let fixed: [Value; 2] = [wanted.now.as_millis().into(), step.as_str().into()];
        let values = fixed.into_iter().chain(chunk.iter().map(|seq| (*seq).into())).collect();
        rows.extend(tx.all(sql, values).await?);
    }
    tx.tally.reached(MessageStatus::Sending, None, rows.len());
    Readable::sorted(rows.iter().map(claim::outbox_message))
}
