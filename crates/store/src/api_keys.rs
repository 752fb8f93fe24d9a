//! API keys, stored by the hash of their secret.

use std::collections::BTreeMap;

use sea_orm::Value;
use waypost_domain::{ApiKey, ApiKeyId, Scope, TenantId, Timestamp};

use crate::{
    Cursor, Page, PageRequest, Store, StoreError,
    page::{self, Conditions},
    sql::{self, Row},
    writer::Tx,
};

const TABLE: &str = "api_keys";
const COLUMNS: &str = "seq, id, tenant_id, name, prefix, scopes, created_at, last_used_at, expires_at";

/// SHA-256 of an API key. A random key of 256 bits needs no slow hash.
pub type ApiKeyHash = [u8; 32];

/// A new API key.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// All but the secret.
    pub key: ApiKey,
    /// The secret's hash.
    pub hash: ApiKeyHash,
}

impl Store {
    /// Creates a key.
    pub async fn create_api_key(&self, key: NewApiKey) -> Result<(), StoreError> {
        self.writer().change(key, |tx, key| Box::pin(create(tx, key))).await
    }

    /// The tenant's keys that are not revoked, newest first.
    pub async fn api_keys(&self, tenant: TenantId, page: PageRequest) -> Result<Page<ApiKey>, StoreError> {
        let mut conditions = Conditions::new("tenant_id =", tenant.as_uuid());
        conditions.and_sql("revoked_at IS NULL");
        let item = |row: &Row| {
            let key = api_key(row)?;
            Ok((Cursor { at: key.created_at, seq: row.get(TABLE, 0)? }, key))
        };
        let _turn = self.list_turn().await?;
        page::read(self.read(), TABLE, COLUMNS, conditions, page, item).await
    }

    /// Revokes a key; `false` where the tenant has no such key.
    pub async fn revoke_api_key(&self, tenant: TenantId, key: ApiKeyId, now: Timestamp) -> Result<bool, StoreError> {
        self.writer().change((), move |tx, ()| Box::pin(revoke(tx, tenant, key, now))).await
    }

    /// The key with this hash that is not revoked, over all tenants: a caller's tenant is known only by its key.
    pub async fn api_key_by_hash_system(&self, hash: &ApiKeyHash) -> Result<Option<ApiKey>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM api_keys WHERE hash = $1 AND revoked_at IS NULL");
        self.auth_read().one(sql, vec![hash.to_vec().into()]).await?.as_ref().map(api_key).transpose()
    }

    /// Notes when keys were last used, many at once. An older time never replaces a newer one.
    pub async fn touch_api_keys_system(&self, used: Vec<(ApiKeyId, Timestamp)>) -> Result<(), StoreError> {
        // One row a key, the latest: two rows for one would leave the choice to the database.
        let latest: BTreeMap<ApiKeyId, Timestamp> = used.into_iter().fold(BTreeMap::new(), |mut latest, (key, at)| {
            latest.entry(key).and_modify(|known| *known = at.max(*known)).or_insert(at);
            latest
        });
        let latest: Vec<(ApiKeyId, Timestamp)> = latest.into_iter().collect();
        self.writer().change(latest, |tx, latest| Box::pin(touch(tx, latest))).await
    }
}

async fn create(tx: &Tx, NewApiKey { key, hash }: &NewApiKey) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO api_keys (id, tenant_id, name, prefix, scopes, hash, created_at, last_used_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        vec![
            key.id.as_uuid().into(),
            key.tenant_id.as_uuid().into(),
            sql::free_text(&key.name),
            key.prefix.as_str().into(),
            sql::json(&key.scopes).into(),
            hash.to_vec().into(),
            key.created_at.as_millis().into(),
            sql::optional_time(key.last_used_at),
            sql::optional_time(key.expires_at),
        ],
    )
    .await?;
    Ok(())
}

async fn revoke(tx: &Tx, tenant: TenantId, key: ApiKeyId, now: Timestamp) -> Result<bool, StoreError> {
    let sql = "UPDATE api_keys SET revoked_at = $3 WHERE id = $1 AND tenant_id = $2 AND revoked_at IS NULL";
    let values = vec![key.as_uuid().into(), tenant.as_uuid().into(), now.as_millis().into()];
    Ok(tx.execute(sql, values).await? > 0)
}

async fn touch(tx: &Tx, used: &[(ApiKeyId, Timestamp)]) -> Result<(), StoreError> {
    for chunk in sql::chunks(used) {
        let sql = format!(
            "UPDATE api_keys SET last_used_at = v.column2 FROM (VALUES {}) AS v
             WHERE api_keys.id = v.column1 AND (last_used_at IS NULL OR last_used_at < v.column2)",
            sql::tuples(1, chunk.len(), 2)
        );
        let values = chunk.iter().flat_map(|(key, at)| -> [Value; 2] { [key.as_uuid().into(), at.as_millis().into()] });
        tx.execute(sql, values.collect()).await?;
    }
    Ok(())
}

fn api_key(row: &Row) -> Result<ApiKey, StoreError> {
    let mut scopes: Vec<Scope> = row.json_or(TABLE, 5, vec![Scope::Unknown])?;
    scopes.sort_unstable();
    scopes.dedup();
    Ok(ApiKey {
        id: row.get::<uuid::Uuid>(TABLE, 1)?.into(),
        tenant_id: row.get::<uuid::Uuid>(TABLE, 2)?.into(),
        name: row.get(TABLE, 3)?,
        prefix: row.get(TABLE, 4)?,
        scopes,
        created_at: row.time(TABLE, 6)?,
        last_used_at: row.optional_time(TABLE, 7)?,
        expires_at: row.optional_time(TABLE, 8)?,
    })
}
