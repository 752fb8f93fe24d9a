//! Accounts: register, login, refresh, logout, me.

mod guesses;
mod login;
mod logout;
mod me;
mod passwords;
mod refresh;
mod register;

use std::time::Duration;

use sha2::{Digest, Sha256};
use waypost_domain::{Tenant, User};
use waypost_store::RefreshToken;

pub(crate) use guesses::Guesses;
pub use guesses::LoginLimits;
pub(crate) use passwords::Passwords;
pub use passwords::{NewPassword, NotAPassword};
pub(crate) use register::Registrations;
pub use register::{Registration, RegistrationLimits, RegistrationOpen};

use crate::{Gateway, GatewayError, api_keys::draw_secret};

/// What every refresh token starts with.
const REFRESH_TOKEN_PREFIX: &str = "awr_";

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

impl Gateway {
    /// Starts a login of its own for a user: a refresh family with its first token, and an access token.
    async fn sign_in(&self, user: User, tenant: Tenant) -> Result<SignedIn, GatewayError> {
        let inner = &self.inner;
        let now = inner.env.now();
        let refresh_token = draw_secret(&inner.env, REFRESH_TOKEN_PREFIX);
        let family_id = inner.env.new_id();
        let token = RefreshToken {
            hash: hash_of(&refresh_token),
            family_id,
            tenant_id: tenant.id,
            user_id: user.id,
            created_at: now,
            expires_at: now.plus(inner.config.refresh_token_life),
        };
        let before = inner.auth.families.changes();
        inner.store.start_refresh_family(token).await?;
        inner.auth.families.learn(family_id, (), before);
        let (access_token, expires_in) = self.sign_access_token(&user, family_id)?;
        Ok(SignedIn { access_token, refresh_token, expires_in, user, tenant })
    }
}

/// Refresh tokens carry 256 random bits, so a plain hash hides them.
fn hash_of(refresh_token: &str) -> [u8; 32] {
    Sha256::digest(refresh_token.as_bytes()).into()
}
