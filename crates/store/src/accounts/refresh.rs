//! Refresh tokens: each works once.
//!
//! A used token is kept until it expires. When it comes a second time, either its owner or a thief has an old copy, and
//! nobody can tell which: the whole family is revoked, and the owner logs in again.

use waypost_domain::{RefreshFamilyId, TenantId, Timestamp};

use super::{RefreshToken, Rotation};
use crate::{StoreError, writer::Tx};

/// The old token, and the new one that is to stand in its place.
pub(super) struct Exchange {
    pub old: [u8; 32],
    pub new_hash: [u8; 32],
    pub now: Timestamp,
    pub expires_at: Timestamp,
}

pub(super) async fn start(tx: &Tx, token: &RefreshToken) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO refresh_families (id, tenant_id, user_id, created_at) VALUES ($1, $2, $3, $4)",
        vec![
            token.family_id.as_uuid().into(),
            token.tenant_id.as_uuid().into(),
            token.user_id.as_uuid().into(),
            token.created_at.as_millis().into(),
        ],
    )
    .await?;
    add(tx, &token.hash, token.family_id, token.created_at, token.expires_at).await
}

async fn add(
    tx: &Tx,
    hash: &[u8; 32],
    family: RefreshFamilyId,
    created_at: Timestamp,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO refresh_tokens (hash, family_id, created_at, expires_at) VALUES ($1, $2, $3, $4)",
        vec![
            hash.to_vec().into(),
            family.as_uuid().into(),
            created_at.as_millis().into(),
            expires_at.as_millis().into(),
        ],
    )
    .await?;
    Ok(())
}

pub(super) async fn rotate(tx: &Tx, exchange: &Exchange) -> Result<Rotation, StoreError> {
    const TABLE: &str = "refresh_tokens";
    let sql = "SELECT f.id, f.tenant_id, f.user_id, t.expires_at, t.used_at
               FROM refresh_tokens AS t JOIN refresh_families AS f ON f.id = t.family_id
               WHERE t.hash = $1 AND f.revoked_at IS NULL";
    let Some(row) = tx.one(sql, vec![exchange.old.to_vec().into()]).await? else {
        return Ok(Rotation::Invalid);
    };
    let family_id: RefreshFamilyId = row.get::<uuid::Uuid>(TABLE, 0)?.into();
    let tenant_id: TenantId = row.get::<uuid::Uuid>(TABLE, 1)?.into();
    let user_id = row.get::<uuid::Uuid>(TABLE, 2)?.into();
    if row.optional_time(TABLE, 4)?.is_some() {
        revoke(tx, tenant_id, family_id, exchange.now).await?;
        return Ok(Rotation::Reused { tenant_id, family_id });
    }
    if row.time(TABLE, 3)? <= exchange.now {
        return Ok(Rotation::Invalid);
    }
    let sql = "UPDATE refresh_tokens SET used_at = $2 WHERE hash = $1";
    tx.execute(sql, vec![exchange.old.to_vec().into(), exchange.now.as_millis().into()]).await?;
    add(tx, &exchange.new_hash, family_id, exchange.now, exchange.expires_at).await?;
    Ok(Rotation::Rotated { tenant_id, user_id, family_id })
}

pub(super) async fn revoke(
    tx: &Tx,
    tenant: TenantId,
    family: RefreshFamilyId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "UPDATE refresh_families SET revoked_at = $3 WHERE id = $1 AND tenant_id = $2 AND revoked_at IS NULL";
    tx.execute(sql, vec![family.as_uuid().into(), tenant.as_uuid().into(), now.as_millis().into()]).await?;
    Ok(())
}

pub(super) async fn prune(tx: &Tx, before: Timestamp) -> Result<u64, StoreError> {
    let sql = "DELETE FROM refresh_tokens WHERE expires_at < $1";
    let tokens = tx.execute(sql, vec![before.as_millis().into()]).await?;
    let sql = "DELETE FROM refresh_families
               WHERE NOT EXISTS (SELECT 1 FROM refresh_tokens AS t WHERE t.family_id = refresh_families.id)";
    tx.execute(sql, Vec::new()).await?;
    Ok(tokens)
}
