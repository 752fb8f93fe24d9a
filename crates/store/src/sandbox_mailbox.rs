//! What the sandbox's pretend phones still owe: the messages whose receipts or answer are to come.

use std::collections::{BTreeMap, HashSet};

use sea_orm::Value;
use waypost_domain::{Content, Jid, SessionId, Timestamp, WaMessageId};

use crate::{
    Store, StoreError,
    sql::{self, Row},
    writer::Tx,
};

const TABLE: &str = "sandbox_mailbox";
const COLUMNS: &str = "session_id, wa_id, chat, taken_at, receipts, reply_wa_id, reply";
const COLUMN_COUNT: usize = 7;

/// A message that a pretend phone still owes something for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxOwed {
    /// The session that sent it.
    pub session_id: SessionId,
    /// Its id on the wire.
    pub wa_id: WaMessageId,
    /// Whom it went to.
    pub chat: Jid,
    /// When it was sent.
    pub taken_at: Timestamp,
    /// Whether its receipts are to come; otherwise only its id is kept.
    pub receipts: bool,
    /// The answer that is to come, with its id on the wire.
    pub reply: Option<(WaMessageId, Content)>,
}

/// Changes of the mailbox, made together and in this order.
#[derive(Debug, Clone, Default)]
pub struct SandboxMailboxChanges {
    /// Put in; one that is there already is replaced in its place, and of two for one message the later one stays.
    pub puts: Vec<SandboxOwed>,
    /// Taken out.
    pub removals: Vec<(SessionId, WaMessageId)>,
    /// Sessions whose whole mail goes.
    pub forgotten: Vec<SessionId>,
}

impl Store {
    /// Changes what is owed, in one commit.
    pub async fn change_sandbox_mailbox_system(&self, changes: SandboxMailboxChanges) -> Result<(), StoreError> {
        self.writer().change(changes, |tx, changes| Box::pin(change(tx, changes))).await
    }

    /// All that is owed to sessions of every tenant, in the order in which it was first put in; without what this version
    /// cannot read the chat of.
    pub async fn sandbox_mailbox_system(&self) -> Result<Vec<SandboxOwed>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM sandbox_mailbox ORDER BY seq");
        let rows = self.read().all(sql, Vec::new()).await?;
        rows.iter().filter_map(|row| owed(row).transpose()).collect()
    }
}

async fn change(tx: &Tx, changes: &SandboxMailboxChanges) -> Result<(), StoreError> {
    put(tx, &changes.puts).await?;
    remove(tx, &changes.removals).await?;
    for session in &changes.forgotten {
        forget(tx, *session).await?;
    }
    Ok(())
}

async fn put(tx: &Tx, puts: &[SandboxOwed]) -> Result<(), StoreError> {
    // Two rows for one message would be refused: the later one counts.
    let mut named = HashSet::with_capacity(puts.len());
    let mut puts: Vec<_> =
        puts.iter().rev().filter(|owed| named.insert((owed.session_id, owed.wa_id.as_str()))).collect();
    puts.reverse();
    for chunk in sql::chunks(&puts) {
        let sql = format!(
            "INSERT INTO sandbox_mailbox ({COLUMNS}) VALUES {} ON CONFLICT (session_id, wa_id) DO UPDATE
             SET chat = excluded.chat, taken_at = excluded.taken_at, receipts = excluded.receipts,
                 reply_wa_id = excluded.reply_wa_id, reply = excluded.reply",
            sql::tuples(1, chunk.len(), COLUMN_COUNT)
        );
        let row = |owed: &&SandboxOwed| -> [Value; COLUMN_COUNT] {
            let reply = owed.reply.as_ref();
            [
                owed.session_id.as_uuid().into(),
                owed.wa_id.as_str().into(),
                owed.chat.to_string().into(),
                owed.taken_at.as_millis().into(),
                owed.receipts.into(),
                Value::String(reply.map(|(wa_id, _)| wa_id.to_string())),
                Value::String(reply.map(|(_, content)| sql::json(content))),
            ]
        };
        tx.execute(sql, chunk.iter().flat_map(row).collect()).await?;
    }
    Ok(())
}

async fn remove(tx: &Tx, removals: &[(SessionId, WaMessageId)]) -> Result<(), StoreError> {
    let mut by_session: BTreeMap<SessionId, Vec<&WaMessageId>> = BTreeMap::new();
    for (session, wa_id) in removals {
        by_session.entry(*session).or_default().push(wa_id);
    }
    for (session, ids) in by_session {
        for chunk in sql::chunks(&ids) {
            let list = sql::list(2, chunk.len());
            let sql = format!("DELETE FROM sandbox_mailbox WHERE session_id = $1 AND wa_id IN ({list})");
            let ids = chunk.iter().map(|id| id.as_str().into());
            tx.execute(sql, std::iter::once(session.as_uuid().into()).chain(ids).collect()).await?;
        }
    }
    Ok(())
}

/// Forgets what is owed to a session that is deleted.
pub(crate) async fn forget(tx: &Tx, session: SessionId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM sandbox_mailbox WHERE session_id = $1", vec![session.as_uuid().into()]).await.map(drop)
}

fn owed(row: &Row) -> Result<Option<SandboxOwed>, StoreError> {
    let Some(chat) = row.optional(TABLE, 2)? else { return Ok(None) };
    let reply_wa_id: Option<String> = row.get(TABLE, 5)?;
    let reply = row.optional_json_or(TABLE, 6, || None)?.filter(|content| *content != Content::Unknown);
    Ok(Some(SandboxOwed {
        session_id: row.get::<uuid::Uuid>(TABLE, 0)?.into(),
        wa_id: row.get::<String>(TABLE, 1)?.into(),
        chat,
        taken_at: row.time(TABLE, 3)?,
        receipts: row.get(TABLE, 4)?,
        reply: reply_wa_id.map(WaMessageId::from).zip(reply),
    }))
}
