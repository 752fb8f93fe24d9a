//! Who is who: people whom a session knows by LID and by number.
//!
//! WhatsApp names one person sometimes by number and sometimes by LID. A person is one chat all the same: it keeps the
//! address under which it was opened, and where it was not opened before both are known, that is the number.

use waypost_domain::{Jid, JidServer, SessionId, TenantId, Timestamp};

use crate::{Store, StoreError, sql::Row, writer::Tx};

const TABLE: &str = "people";
const COLUMNS: &str = "lid, number, chat_by_lid";
/// The most addresses of one person that a list looks under.
const MAX_ADDRESSES: usize = 6;

/// A person by both addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// By LID.
    pub lid: Jid,
    /// By phone number.
    pub number: Jid,
    /// Whether the chat with them is the LID's.
    pub chat_by_lid: bool,
}

impl Person {
    /// The address of the chat with them.
    pub const fn chat(&self) -> &Jid {
        if self.chat_by_lid { &self.lid } else { &self.number }
    }
}

impl Store {
    /// The people whom a session knows, those learned last first; without those whose addresses this version cannot read.
    pub async fn people_system(&self, session: SessionId, limit: u32) -> Result<Vec<Person>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM people WHERE session_id = $1 ORDER BY learned_at DESC LIMIT $2");
        let rows = self.read().all(sql, vec![session.as_uuid().into(), i64::from(limit).into()]).await?;
        rows.iter().filter_map(|row| person(row).transpose()).collect()
    }

    /// The person behind an address, LID or number; of several LIDs of a number, the one learned last.
    pub async fn person_system(&self, session: SessionId, jid: &Jid) -> Result<Option<Person>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM people WHERE session_id = $1 AND (lid = $2 OR number = $2)
             ORDER BY learned_at DESC LIMIT 1"
        );
        let row = self.read().one(sql, vec![session.as_uuid().into(), jid.to_string().into()]).await?;
        row.as_ref().map_or(Ok(None), person)
    }

    /// The addresses under which the tenant's sessions know whoever has this address: it first, then the others, those
    /// learned last first, [`MAX_ADDRESSES`] at most.
    pub async fn addresses_of(&self, tenant: TenantId, jid: &Jid) -> Result<Vec<Jid>, StoreError> {
        let mut known = vec![jid.clone()];
        // A LID leads to a number, and that to the person's other LIDs.
        for step in 0..2 {
            let Some(from) = known.get(step).filter(|jid| jid.server() != JidServer::Group) else { break };
            let values = vec![
                tenant.as_uuid().into(),
                from.to_string().into(),
                i64::try_from(MAX_ADDRESSES).unwrap_or(i64::MAX).into(),
            ];
            for row in self.read().all(other_addresses_sql(from.server()), values).await? {
                let Some(found) = row.optional(TABLE, 0)? else { continue };
                if known.len() < MAX_ADDRESSES && !known.contains(&found) {
                    known.push(found);
                }
            }
        }
        Ok(known)
    }

    /// Learns which LID belongs to which number, and settles under which address each person's chat is: under the LID
    /// where only that one has messages, else under the number. What is settled stays.
    pub async fn learn_people(
        &self,
        tenant: TenantId,
        session: SessionId,
        pairs: Vec<(Jid, Jid)>,
        now: Timestamp,
    ) -> Result<Vec<Person>, StoreError> {
        self.writer().change(pairs, move |tx, pairs| Box::pin(learn(tx, tenant, session, pairs, now))).await
    }
}

/// Looks into the people of each of the tenant's sessions by an index. CROSS JOIN: SQLite starts with the sessions then.
pub(crate) fn other_addresses_sql(known: JidServer) -> String {
    let (known, other) = if known == JidServer::Lid { ("lid", "number") } else { ("number", "lid") };
    format!(
        "SELECT p.{other}, MAX(p.learned_at) AS learned_at FROM sessions AS s CROSS JOIN people AS p
         WHERE s.tenant_id = $1 AND p.session_id = s.id AND p.{known} = $2
         GROUP BY p.{other} ORDER BY learned_at DESC LIMIT $3"
    )
}

async fn learn(
    tx: &Tx,
    tenant: TenantId,
    session: SessionId,
    pairs: &[(Jid, Jid)],
    now: Timestamp,
) -> Result<Vec<Person>, StoreError> {
    let mut people = Vec::with_capacity(pairs.len());
    for (lid, number) in pairs {
        let sql = "SELECT chat_by_lid FROM people WHERE session_id = $1 AND lid = $2";
        let settled = tx.one(sql, vec![session.as_uuid().into(), lid.to_string().into()]).await?;
        let chat_by_lid = match settled {
            Some(row) => row.get(TABLE, 0)?,
            None => has_chat(tx, tenant, session, lid).await? && !has_chat(tx, tenant, session, number).await?,
        };
        tx.execute(
            "INSERT INTO people (session_id, lid, number, chat_by_lid, learned_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (session_id, lid) DO UPDATE SET number = excluded.number, learned_at = excluded.learned_at",
            vec![
                session.as_uuid().into(),
                lid.to_string().into(),
                number.to_string().into(),
                chat_by_lid.into(),
                now.as_millis().into(),
            ],
        )
        .await?;
        people.push(Person { lid: lid.clone(), number: number.clone(), chat_by_lid });
    }
    Ok(people)
}

async fn has_chat(tx: &Tx, tenant: TenantId, session: SessionId, jid: &Jid) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM messages WHERE tenant_id = $1 AND remote_jid = $2 AND session_id = $3 LIMIT 1";
    let values = vec![tenant.as_uuid().into(), jid.to_string().into(), session.as_uuid().into()];
    Ok(tx.one(sql, values).await?.is_some())
}

/// Forgets the people of a session that is deleted.
pub(crate) async fn forget(tx: &Tx, session: SessionId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM people WHERE session_id = $1", vec![session.as_uuid().into()]).await?;
    Ok(())
}

/// `None` if this version cannot read an address.
fn person(row: &Row) -> Result<Option<Person>, StoreError> {
    let (Some(lid), Some(number)) = (row.optional(TABLE, 0)?, row.optional(TABLE, 1)?) else { return Ok(None) };
    Ok(Some(Person { lid, number, chat_by_lid: row.get(TABLE, 2)? }))
}
