//! Tenants, users and their refresh tokens.

use waypost_domain::{Email, RefreshFamilyId, Tenant, TenantId, Timestamp, User, UserId};

use crate::{Store, StoreError};

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
    Reused,
    /// Unknown, expired or revoked.
    Invalid,
}

impl Store {
    /// Creates a tenant and its owner. [`StoreError::Duplicate`] where the e-mail is in use.
    pub async fn create_account(&self, _account: NewAccount) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// The user with this e-mail, over all tenants: a login does not know its tenant yet.
    pub async fn password_by_email_system(&self, _email: &Email) -> Result<Option<StoredPassword>, StoreError> {
        unimplemented!()
    }

    /// A user and their tenant.
    pub async fn user(&self, _tenant: TenantId, _user: UserId) -> Result<Option<(User, Tenant)>, StoreError> {
        unimplemented!()
    }

    /// Starts a refresh family with its first token.
    pub async fn start_refresh_family(&self, _token: RefreshToken) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// Exchanges the token with hash `old` for a new one, atomically: of two twins one wins, the other is a reuse and
    /// revokes the family. `make` fills in the new token's hash and times; the rest is the old one's.
    pub async fn rotate_refresh_token(
        &self,
        _old: [u8; 32],
        _new_hash: [u8; 32],
        _now: Timestamp,
        _expires_at: Timestamp,
    ) -> Result<Rotation, StoreError> {
        unimplemented!()
    }

    /// Revokes a family and every token in it.
    pub async fn revoke_refresh_family(
        &self,
        _tenant: TenantId,
        _family: RefreshFamilyId,
        _now: Timestamp,
    ) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// Whether a family is still good: access tokens name their family and die with it.
    pub async fn refresh_family_is_alive(
        &self,
        _tenant: TenantId,
        _family: RefreshFamilyId,
    ) -> Result<bool, StoreError> {
        unimplemented!()
    }

    /// Deletes refresh tokens and families that expired before `before`. Returns how many tokens went.
    pub async fn prune_refresh_tokens_system(&self, _before: Timestamp) -> Result<u64, StoreError> {
        unimplemented!()
    }
}
