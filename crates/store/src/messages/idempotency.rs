//! Idempotency keys: of all requests with one key of a tenant, one becomes a message and the others get its answer.
//!
//! It guarantees that
//! - the key's row is in the commit of its message's row: whatever dies, both are there or neither is;
//! - the writer decides, which applies one request after another: twins may be in one batch or in different ones, on
//!   one connection or on two processes', and still only the first is new;
//! - a key that is [`IdempotencyKey::KEPT`] old counts as new, whether it was pruned or not;
//! - a request without a key costs nothing: no statement is run for it.

use std::collections::HashMap;

use sea_orm::{DatabaseConnection, Value};
use waypost_domain::{IdempotencyKey, MessageId, TenantId, Timestamp};

use super::{AcceptOutcome, accept::PendingAccept};
use crate::{
    StoreError,
    sql::{self, Row, Sql},
    writer::Tx,
};

const TABLE: &str = "idempotency_keys";
const COLUMNS: usize = 6;
/// How many keys one statement deletes: others wait to write meanwhile.
const PRUNE_AT_A_TIME: u16 = 1000;

/// What a request carries so that it takes effect once.
#[derive(Debug, Clone)]
pub struct NewIdempotency {
    /// The caller's key.
    pub key: IdempotencyKey,
    /// SHA-256 of what was asked for, in a form that does not depend on how it was written.
    pub fingerprint: [u8; 32],
    /// What the caller is answered, to be given again word for word.
    pub answer: String,
}

/// A key's row, on its way to the database.
#[derive(Debug)]
pub(super) struct KeyRow {
    tenant: TenantId,
    message: MessageId,
    created_at: Timestamp,
    once: NewIdempotency,
}

impl KeyRow {
    pub const fn new(tenant: TenantId, message: MessageId, created_at: Timestamp, once: NewIdempotency) -> Self {
        Self { tenant, message, created_at, once }
    }

    fn name(&self) -> (TenantId, String) {
        (self.tenant, self.once.key.as_str().to_owned())
    }

    fn values(&self) -> [Value; COLUMNS] {
        [
            self.tenant.as_uuid().into(),
            self.once.key.as_str().into(),
            self.once.fingerprint.to_vec().into(),
            self.message.as_uuid().into(),
            self.once.answer.as_str().into(),
            self.created_at.as_millis().into(),
        ]
    }
}

/// A key that was used before.
#[derive(Debug)]
struct Used {
    fingerprint: Vec<u8>,
    answer: String,
    created_at: Timestamp,
}

impl Used {
    /// Reads fingerprint, answer and time from column `first` on.
    fn read(row: &Row, first: usize) -> Result<Self, StoreError> {
        Ok(Self {
            fingerprint: row.get(TABLE, first)?,
            answer: row.get(TABLE, first + 1)?,
            created_at: row.time(TABLE, first + 2)?,
        })
    }

    /// What a request at `now` with this key gets; `None` where the key is forgotten.
    fn answer_to(&self, fingerprint: &[u8; 32], now: Timestamp) -> Option<AcceptOutcome> {
        let forgotten = self.created_at <= now.minus(IdempotencyKey::KEPT);
        (!forgotten).then(|| {
            if self.fingerprint == fingerprint {
                AcceptOutcome::Replayed(self.answer.clone())
            } else {
                AcceptOutcome::Mismatch
            }
        })
    }
}

/// Settles the requests whose keys were used before, writes the keys that are new, and gives back, in their order, the
/// requests that are to be written.
pub(super) async fn admit<'r>(
    tx: &Tx,
    requests: Vec<&'r mut PendingAccept>,
) -> Result<Vec<&'r mut PendingAccept>, StoreError> {
    let mut used = find(tx, &requests).await?;
    let mut fresh = Vec::with_capacity(requests.len());
    let mut rows = Vec::new();
    for request in requests {
        if let Some(key) = &request.input.key {
            let name = key.name();
            let earlier = used.get(&name).and_then(|used| used.answer_to(&key.once.fingerprint, key.created_at));
            if earlier.is_some() {
                request.outcome = earlier;
                continue;
            }
            let NewIdempotency { fingerprint, answer, .. } = &key.once;
            let now_used =
                Used { fingerprint: fingerprint.to_vec(), answer: answer.clone(), created_at: key.created_at };
            used.insert(name, now_used);
            rows.push(key.values());
        }
        fresh.push(request);
    }
    write(tx, &rows).await?;
    Ok(fresh)
}

async fn find(tx: &Tx, requests: &[&mut PendingAccept]) -> Result<HashMap<(TenantId, String), Used>, StoreError> {
    let keys: Vec<&KeyRow> = requests.iter().filter_map(|request| request.input.key.as_ref()).collect();
    let mut used = HashMap::new();
    for chunk in sql::chunks(&keys) {
        let sql = format!(
            "SELECT k.tenant_id, k.key, k.fingerprint, k.answer, k.created_at
             FROM (VALUES {}) AS v CROSS JOIN idempotency_keys AS k
             WHERE k.tenant_id = v.column1 AND k.key = v.column2",
            sql::tuples(1, chunk.len(), 2)
        );
        let values = chunk
            .iter()
            .flat_map(|key| -> [Value; 2] { [key.tenant.as_uuid().into(), key.once.key.as_str().into()] })
            .collect();
        for row in tx.all(sql, values).await? {
            let tenant: TenantId = row.get::<uuid::Uuid>(TABLE, 0)?.into();
            used.insert((tenant, row.get(TABLE, 1)?), Used::read(&row, 2)?);
        }
    }
    Ok(used)
}

/// A key that is there already is one that counts as forgotten.
async fn write(tx: &Tx, rows: &[[Value; COLUMNS]]) -> Result<(), StoreError> {
    for chunk in sql::chunks(rows) {
        let sql = format!(
            "INSERT INTO idempotency_keys (tenant_id, key, fingerprint, message_id, answer, created_at) VALUES {}
             ON CONFLICT (tenant_id, key) DO UPDATE SET fingerprint = excluded.fingerprint,
             message_id = excluded.message_id, answer = excluded.answer, created_at = excluded.created_at",
            sql::tuples(1, chunk.len(), COLUMNS)
        );
        tx.execute(sql, chunk.iter().flatten().cloned().collect()).await?;
    }
    Ok(())
}

/// What a request with this key gets, where the key was used before and is not forgotten.
pub(super) async fn earlier(
    read: &Sql<DatabaseConnection>,
    tenant: TenantId,
    key: &IdempotencyKey,
    fingerprint: &[u8; 32],
    now: Timestamp,
) -> Result<Option<AcceptOutcome>, StoreError> {
    let sql = "SELECT fingerprint, answer, created_at FROM idempotency_keys WHERE tenant_id = $1 AND key = $2";
    let row = read.one(sql, vec![tenant.as_uuid().into(), key.as_str().into()]).await?;
    let used = row.map(|row| Used::read(&row, 0)).transpose()?;
    Ok(used.and_then(|used| used.answer_to(fingerprint, now)))
}

/// Deletes some of the keys that are forgotten at `now`. Returns how many, and whether there may be more.
pub(crate) async fn prune(tx: &Tx, now: Timestamp) -> Result<(u64, bool), StoreError> {
    let sql = "DELETE FROM idempotency_keys WHERE (tenant_id, key) IN
               (SELECT tenant_id, key FROM idempotency_keys WHERE created_at <= $1 ORDER BY created_at LIMIT $2)";
    let values = vec![now.minus(IdempotencyKey::KEPT).as_millis().into(), i64::from(PRUNE_AT_A_TIME).into()];
    let pruned = tx.execute(sql, values).await?;
    Ok((pruned, pruned == u64::from(PRUNE_AT_A_TIME)))
}
