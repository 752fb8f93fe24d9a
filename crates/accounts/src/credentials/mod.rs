//! Who is calling: access tokens and API keys become a [`Caller`].
//!
//! Both ways answer from memory once warm, and both die at once: a logout or a revocation in this process is seen by
//! the very next request, one in another process after [`CACHE_LIFE`] at most.
//!
//! What is refused is counted by the caller's network. Past the limit only credentials that memory knows get as far as a
//! look-up; a stranger's are answered 429 from memory.

mod access_token;
mod by_access_token;
mod by_api_key;
mod revocable;
mod ring_provider;

use std::{sync::Arc, time::Duration};

use secrecy::SecretBox;
use waypost_domain::{ApiKey, ApiKeyId, Env, RefreshFamilyId, Role, Scope, TenantId, UserId};
use waypost_store::{ApiKeyHash, Store};

pub(crate) use self::access_token::Claims;
use self::{
    access_token::AccessTokens,
    by_api_key::KnownKey,
    revocable::{Changes, Revocable},
};
use crate::{
    AccountsConfig, AccountsError,
    api_keys::KeyUse,
    limits::{Allowance, Client, Limiter, Network, network_of},
};

/// How long what another process revoked may still pass here.
const CACHE_LIFE: Duration = Duration::from_secs(5);

/// How many API keys, and how many logins, are kept in memory at most.
const CACHE_CAPACITY: u64 = 20_000;

/// How a caller proved who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A person's access token.
    User {
        /// The person.
        user_id: UserId,
        /// What they may do.
        role: Role,
        /// The login that the token belongs to.
        family_id: RefreshFamilyId,
    },
    /// A server's API key.
    ApiKey {
        /// The key.
        key_id: ApiKeyId,
        /// What it may do.
        scopes: Vec<Scope>,
    },
}

/// An authenticated caller. The tenant id of everything they touch comes from here and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The tenant.
    pub tenant_id: TenantId,
    /// The proof.
    pub credential: Credential,
}

/// What memory knows of callers' credentials, the key that signs tokens, and how many wrong ones strangers showed.
pub(crate) struct Credentials {
    tokens: AccessTokens,
    logins: Revocable<RefreshFamilyId, ()>,
    keys: Revocable<ApiKeyHash, Arc<KnownKey>>,
    key_use: KeyUse,
    refused: Limiter<Network>,
    env: Env,
}

impl Credentials {
    /// Must be called within a tokio runtime: a task of it notes when keys are used, until this value is dropped.
    pub fn new(store: &Store, env: &Env, config: &AccountsConfig, token_key: &SecretBox<[u8; 32]>) -> Self {
        Self {
            tokens: AccessTokens::new(token_key),
            logins: Revocable::new(CACHE_CAPACITY, CACHE_LIFE),
            keys: Revocable::new(CACHE_CAPACITY, CACHE_LIFE),
            key_use: KeyUse::start(store.clone()),
            refused: Limiter::new(Allowance::per_minute(config.refused_credentials_per_minute)),
            env: env.clone(),
        }
    }

    /// The signed token.
    pub fn sign(&self, claims: &Claims) -> Result<String, AccountsError> {
        self.tokens.sign(claims)
    }

    /// What has happened to logins so far, for [`Self::login_started`].
    pub fn login_changes(&self) -> Changes {
        self.logins.changes()
    }

    /// Access tokens of this login work from now on. `before` is what had happened before it was committed.
    pub fn login_started(&self, family: RefreshFamilyId, before: Changes) {
        self.logins.learn(family, (), before);
    }

    /// Access tokens of this login are refused from now on.
    pub fn login_ended(&self, family: RefreshFamilyId) {
        self.logins.revoke_one(&family);
    }

    /// What has happened to keys so far, for [`Self::key_created`].
    pub fn key_changes(&self) -> Changes {
        self.keys.changes()
    }

    /// This key works from now on. `before` is what had happened before it was committed.
    pub fn key_created(&self, hash: ApiKeyHash, key: ApiKey, before: Changes) {
        self.keys.learn(hash, Arc::new(KnownKey::new(key)), before);
    }

    /// This key is refused from now on.
    pub fn key_revoked(&self, id: ApiKeyId) {
        self.keys.revoke(|_, known| known.key.id == id);
    }

    /// Whether a credential that memory does not know may be looked up: too many from this network were refused if not.
    pub fn admit(&self, client: Client) -> Result<(), AccountsError> {
        let wait = self.refused.wait(&network_of(client), self.env.now());
        wait.map_or(Ok(()), |wait| Err(AccountsError::rate_limited(wait)))
    }

    /// Counts a credential that is refused, and says so in the log: the line that fail2ban and the like go by
    /// (docs/logging.md). Past the limit the answer is 429 and the log is silent, or a flood would fill the disk.
    pub fn refuse(&self, client: Client, reason: &'static str, sentence: &'static str) -> AccountsError {
        if let Err(wait) = self.refused.take(&network_of(client), self.env.now()) {
            return AccountsError::rate_limited(wait);
        }
        tracing::warn!(client.address = client.map(tracing::field::display), reason, "a credential was refused");
        AccountsError::Unauthorized(sentence)
    }
}
