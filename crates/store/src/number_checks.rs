//! What WhatsApp said of numbers, remembered so that it is asked seldom.

use std::collections::BTreeMap;

use sea_orm::Value;
use waypost_domain::{FoundAccount, Jid, NumberCheck, NumberFound, PhoneNumber, TenantId, Timestamp};

use crate::{
    Store, StoreError,
    sql::{self, Row},
    writer::Tx,
};

const TABLE: &str = "number_checks";
const COLUMNS: usize = 5;

impl Store {
    /// What the tenant's sessions were told of these numbers, in no order; nothing for those never asked about, and for
    /// those whose answer this version cannot read.
    pub async fn number_checks(
        &self,
        tenant: TenantId,
        numbers: &[PhoneNumber],
    ) -> Result<Vec<NumberCheck>, StoreError> {
        let mut checks = Vec::with_capacity(numbers.len());
        for chunk in sql::chunks(numbers) {
            let sql = format!(
                "SELECT number, jid, lid, checked_at FROM number_checks WHERE tenant_id = $1 AND number IN ({})",
                sql::list(2, chunk.len())
            );
            let numbers = chunk.iter().map(|number| number.as_str().into());
            let values = std::iter::once(tenant.as_uuid().into()).chain(numbers).collect();
            for row in self.read().all(sql, values).await? {
                checks.extend(check(&row)?);
            }
        }
        Ok(checks)
    }

    /// Remembers what a session of the tenant was told. An older answer never replaces a newer one.
    pub async fn save_number_checks(&self, tenant: TenantId, checks: Vec<NumberCheck>) -> Result<(), StoreError> {
        // Two rows for one number would be refused: the last answer counts.
        let last: BTreeMap<PhoneNumber, NumberCheck> =
            checks.into_iter().map(|check| (check.found.number.clone(), check)).collect();
        let last: Vec<NumberCheck> = last.into_values().collect();
        self.writer().change(last, move |tx, last| Box::pin(save(tx, tenant, last))).await
    }

    /// Forgets, for every tenant, accounts found before one time and numbers found absent before another.
    pub async fn prune_number_checks_system(
        &self,
        found_before: Timestamp,
        absent_before: Timestamp,
    ) -> Result<u64, StoreError> {
        self.writer().change((), move |tx, ()| Box::pin(prune(tx, found_before, absent_before))).await
    }
}

async fn save(tx: &Tx, tenant: TenantId, checks: &[NumberCheck]) -> Result<(), StoreError> {
    for chunk in sql::chunks(checks) {
        let sql = format!(
            "INSERT INTO number_checks (tenant_id, number, jid, lid, checked_at) VALUES {}
             ON CONFLICT (tenant_id, number) DO UPDATE
             SET jid = excluded.jid, lid = excluded.lid, checked_at = excluded.checked_at
             WHERE number_checks.checked_at <= excluded.checked_at",
            sql::tuples(1, chunk.len(), COLUMNS)
        );
        let jid = |jid: Option<&Jid>| Value::String(jid.map(ToString::to_string));
        let row = |check: &NumberCheck| -> [Value; COLUMNS] {
            let NumberFound { number, account } = &check.found;
            [
                tenant.as_uuid().into(),
                number.as_str().into(),
                jid(account.as_ref().map(|account| &account.jid)),
                jid(account.as_ref().and_then(|account| account.lid.as_ref())),
                check.checked_at.as_millis().into(),
            ]
        };
        tx.execute(sql, chunk.iter().flat_map(row).collect()).await?;
    }
    Ok(())
}

async fn prune(tx: &Tx, found_before: Timestamp, absent_before: Timestamp) -> Result<u64, StoreError> {
    let sql = "DELETE FROM number_checks WHERE checked_at < $1 OR (jid IS NULL AND checked_at < $2)";
    tx.execute(sql, vec![found_before.as_millis().into(), absent_before.as_millis().into()]).await
}

/// `None` if this version cannot read the answer: without its address it would say that there is no account.
fn check(row: &Row) -> Result<Option<NumberCheck>, StoreError> {
    let is_absent = row.get::<Option<String>>(TABLE, 1)?.is_none();
    let jid: Option<Jid> = row.optional(TABLE, 1)?;
    let Some(number) = row.optional(TABLE, 0)?.filter(|_| is_absent || jid.is_some()) else { return Ok(None) };
    let lid = row.optional(TABLE, 2)?;
    let account = jid.map(|jid| FoundAccount { jid, lid });
    Ok(Some(NumberCheck { found: NumberFound { number, account }, checked_at: row.time(TABLE, 3)? }))
}
