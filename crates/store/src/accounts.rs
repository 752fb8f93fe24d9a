//! Tenants, users and their refresh tokens.

mod refresh;

use sea_orm::ConnectionTrait;
use waypost_domain::{Email, RefreshFamilyId, Role, Tenant, TenantId, Timestamp, User, UserId};

use crate::{
    Store, StoreError,
    sql::{self, Row, Sql},
    writer::Tx,
};

/// A new tenant with its owner.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// The tenant.
    pub tenant: Tenant,
    /// Its owner.
    pub owner: User,
    /// The owner's password as an argon2id hash string.
    pub password_hash: String,
}

/// A user found by e-mail, with what their password is checked against.
#[derive(Debug, Clone)]
pub struct StoredPassword {
    /// The user.
    pub user: User,
    /// An argon2id hash string.
    pub password_hash: String,
}

/// A refresh token as it is stored: by its hash alone.
#[derive(Debug, Clone)]
pub struct RefreshToken {
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    /// The login that it descends from.
    pub family_id: RefreshFamilyId,
    /// Whose it is.
    pub tenant_id: TenantId,
    /// Whose it is.
    pub user_id: UserId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Timestamp,
}

/// What came of exchanging a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// The old token is used up and the new one stands in its place.
    Rotated {
        /// Whose it is.
        tenant_id: TenantId,
        /// Whose it is.
        user_id: UserId,
        /// The family, which the new token joined.
        family_id: RefreshFamilyId,
    },
    /// The token had been used before: the whole family is revoked now.
    Reused {
        /// Whose it was.
        tenant_id: TenantId,
        /// The family.
        family_id: RefreshFamilyId,
    },
    /// Unknown, expired or revoked.
    Invalid,
}

/// What came of making an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountOutcome {
    /// It is made.
    Created,
    /// Somebody has the e-mail already.
    EmailInUse,
    /// It was to be the first, and there is a tenant already.
    NotFirst,
}

impl Store {
    /// Creates a tenant and its owner; with `only_first` only if there is no tenant yet. Of many at once, also from
    /// several processes, one is the first.
    pub async fn create_account(&self, account: NewAccount, only_first: bool) -> Result<AccountOutcome, StoreError> {
        self.writer().change(account, move |tx, account| Box::pin(create(tx, account, only_first))).await
    }

    /// Whether there is a tenant.
    pub async fn any_tenant_system(&self) -> Result<bool, StoreError> {
        any_tenant(self.auth_read()).await
    }

    /// The user with this e-mail, over all tenants: a login does not know its tenant yet.
    pub async fn password_by_email_system(&self, email: &Email) -> Result<Option<StoredPassword>, StoreError> {
        let sql = "SELECT id, tenant_id, email, name, role, created_at, password_hash FROM users WHERE email = $1";
        let row = self.auth_read().one(sql, vec![sql::free_text(email.as_str())]).await?;
        row.map(|row| Ok(StoredPassword { user: user(&row)?, password_hash: row.get("users", 6)? })).transpose()
    }

    /// A user and their tenant.
    pub async fn user(&self, tenant: TenantId, user: UserId) -> Result<Option<(User, Tenant)>, StoreError> {
        let sql = "SELECT u.id, u.tenant_id, u.email, u.name, u.role, u.created_at,
                          t.name, t.trial_ends_at, t.created_at
                   FROM users AS u JOIN tenants AS t ON t.id = u.tenant_id WHERE u.id = $1 AND u.tenant_id = $2";
        let row = self.auth_read().one(sql, vec![user.as_uuid().into(), tenant.as_uuid().into()]).await?;
        row.map(|row| Ok((self::user(&row)?, tenant_of(&row, tenant)?))).transpose()
    }

    /// Starts a refresh family with its first token.
    pub async fn start_refresh_family(&self, token: RefreshToken) -> Result<(), StoreError> {
        self.writer().change(token, |tx, token| Box::pin(refresh::start(tx, token))).await
    }

    /// Exchanges the token with hash `old` for a new one, atomically: of two twins one wins, the other is a reuse and
    /// revokes the family. The new token inherits its family from the old one.
    pub async fn rotate_refresh_token(
        &self,
        old: [u8; 32],
        new_hash: [u8; 32],
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<Rotation, StoreError> {
        let exchange = refresh::Exchange { old, new_hash, now, expires_at };
        self.writer().change(exchange, |tx, exchange| Box::pin(refresh::rotate(tx, exchange))).await
    }

    /// Whether [`Self::rotate_refresh_token`] would write anything for the token with this hash: because it works, or
    /// because it was used already and gives a thief away. Reads only.
    pub async fn refresh_token_matters_system(&self, hash: [u8; 32], now: Timestamp) -> Result<bool, StoreError> {
        let sql = "SELECT t.hash FROM refresh_tokens AS t JOIN refresh_families AS f ON f.id = t.family_id
                   WHERE t.hash = $1 AND f.revoked_at IS NULL AND (t.used_at IS NOT NULL OR t.expires_at > $2)";
        Ok(self.auth_read().one(sql, vec![hash.to_vec().into(), now.as_millis().into()]).await?.is_some())
    }

    /// Revokes a family and every token in it.
    pub async fn revoke_refresh_family(
        &self,
        tenant: TenantId,
        family: RefreshFamilyId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.writer().change((), move |tx, ()| Box::pin(refresh::revoke(tx, tenant, family, now))).await
    }

    /// Whether a family is still good: access tokens name their family and die with it.
    pub async fn refresh_family_is_alive(&self, tenant: TenantId, family: RefreshFamilyId) -> Result<bool, StoreError> {
        let sql = "SELECT created_at FROM refresh_families
                   WHERE id = $1 AND tenant_id = $2 AND revoked_at IS NULL";
        Ok(self.auth_read().one(sql, vec![family.as_uuid().into(), tenant.as_uuid().into()]).await?.is_some())
    }

    /// Deletes refresh tokens and families that expired before `before`. Returns how many tokens went.
    pub async fn prune_refresh_tokens_system(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.writer().change((), move |tx, ()| Box::pin(refresh::prune(tx, before))).await
    }
}

async fn any_tenant<C: ConnectionTrait>(sql: &Sql<C>) -> Result<bool, StoreError> {
    Ok(sql.one("SELECT id FROM tenants LIMIT 1", Vec::new()).await?.is_some())
}

async fn create(tx: &Tx, account: &NewAccount, only_first: bool) -> Result<AccountOutcome, StoreError> {
    let NewAccount { tenant, owner, password_hash } = account;
    if only_first && any_tenant(tx).await? {
        return Ok(AccountOutcome::NotFirst);
    }
    // Looked up first rather than caught at the constraint: only the writer writes, so nothing comes between, and a
    // duplicate disturbs nobody who shares the transaction.
    let email = sql::free_text(owner.email.as_str());
    if tx.one("SELECT id FROM users WHERE email = $1", vec![email.clone()]).await?.is_some() {
        return Ok(AccountOutcome::EmailInUse);
    }
    tx.execute(
        "INSERT INTO tenants (id, name, trial_ends_at, created_at) VALUES ($1, $2, $3, $4)",
        vec![
            tenant.id.as_uuid().into(),
            sql::free_text(&tenant.name),
            tenant.trial_ends_at.as_millis().into(),
            tenant.created_at.as_millis().into(),
        ],
    )
    .await?;
    tx.execute(
        "INSERT INTO users (id, tenant_id, email, name, role, password_hash, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        vec![
            owner.id.as_uuid().into(),
            owner.tenant_id.as_uuid().into(),
            email,
            sql::free_text(&owner.name),
            owner.role.as_str().into(),
            password_hash.as_str().into(),
            owner.created_at.as_millis().into(),
        ],
    )
    .await?;
    Ok(AccountOutcome::Created)
}

fn user(row: &Row) -> Result<User, StoreError> {
    const TABLE: &str = "users";
    Ok(User {
        id: row.get::<uuid::Uuid>(TABLE, 0)?.into(),
        tenant_id: row.get::<uuid::Uuid>(TABLE, 1)?.into(),
        email: row.name(TABLE, 2, |email| email.parse().ok())?,
        name: row.get(TABLE, 3)?,
        role: row.name(TABLE, 4, Role::parse)?,
        created_at: row.time(TABLE, 5)?,
    })
}

fn tenant_of(row: &Row, id: TenantId) -> Result<Tenant, StoreError> {
    const TABLE: &str = "tenants";
    Ok(Tenant { id, name: row.get(TABLE, 6)?, trial_ends_at: row.time(TABLE, 7)?, created_at: row.time(TABLE, 8)? })
}
