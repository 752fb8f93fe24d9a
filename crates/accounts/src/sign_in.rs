//! What everyone gets who proved who they are: a pair of tokens.

use std::time::Duration;

use sha2::{Digest, Sha256};
use waypost_domain::{RefreshFamilyId, Tenant, User};
use waypost_store::RefreshToken;

use crate::{Accounts, AccountsError, credentials::Claims, secret::draw_secret};

/// What every refresh token starts with.
pub(crate) const REFRESH_TOKEN_PREFIX: &str = "awr_";

/// A person who just proved who they are.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedIn {
    /// Good for requests until it expires.
    pub access_token: String,
    /// Good for one new pair.
    pub refresh_token: String,
    /// How long the access token works.
    pub expires_in: Duration,
    /// The person.
    pub user: User,
    /// Their tenant.
    pub tenant: Tenant,
}

impl Accounts {
    /// Starts a login of its own for a user: a refresh family with its first token, and an access token.
    pub(crate) async fn sign_in(&self, user: User, tenant: Tenant) -> Result<SignedIn, AccountsError> {
        let accounts = &*self.shared;
        let now = accounts.env.now();
        let refresh_token = draw_secret(&accounts.env, REFRESH_TOKEN_PREFIX);
        let family_id = accounts.env.new_id();
        let token = RefreshToken {
            hash: hash_of(&refresh_token),
            family_id,
            tenant_id: tenant.id,
            user_id: user.id,
            created_at: now,
            expires_at: now.plus(accounts.config.refresh_token_life),
        };
        let before = accounts.credentials.login_changes();
        accounts.store.start_refresh_family(token).await?;
        accounts.credentials.login_started(family_id, before);
        let (access_token, expires_in) = self.sign_access_token(&user, family_id)?;
        Ok(SignedIn { access_token, refresh_token, expires_in, user, tenant })
    }

    /// An access token for a user within one login, and how long it works.
    pub(crate) fn sign_access_token(
        &self,
        user: &User,
        family: RefreshFamilyId,
    ) -> Result<(String, Duration), AccountsError> {
        let accounts = &*self.shared;
        let life = accounts.config.access_token_life;
        let now = accounts.env.now();
        let claims = Claims {
            sub: user.id,
            tid: user.tenant_id,
            role: user.role,
            sid: family,
            iat: now.as_millis() / 1000,
            exp: now.plus(life).as_millis() / 1000,
        };
        Ok((accounts.credentials.sign(&claims)?, life))
    }
}

/// Refresh tokens carry 256 random bits, so a plain hash hides them.
pub(crate) fn hash_of(refresh_token: &str) -> [u8; 32] {
    Sha256::digest(refresh_token.as_bytes()).into()
}
