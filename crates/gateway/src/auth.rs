//! Who is calling: access tokens and API keys become a [`Caller`].
//!
//! Both ways answer from memory once warm, and both die at once: a logout or a revocation in this process is seen by
//! the very next request, one in another process after [`CACHE_LIFE`] at most.
//!
//! What is refused is counted by the caller's network. Past the limit only credentials that memory knows get as far as a
//! look-up; a stranger's are answered 429 from memory.

mod access_token;
mod revocable;
mod ring_provider;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use secrecy::SecretBox;
use sha2::{Digest, Sha256};
use waypost_domain::{ApiKey, ApiKeyId, Env, RefreshFamilyId, Role, Scope, TenantId, Timestamp, User, UserId};
use waypost_store::{ApiKeyHash, Store};

use self::{
    access_token::{AccessTokens, Claims, NoAccess},
    revocable::{Changes, Revocable},
};
use crate::{
    Gateway, GatewayConfig, GatewayError, Inner,
    accounts::{Guesses, Passwords, Registrations},
    api_keys::{API_KEY_PREFIX, KeyUse, has_form_of_secret},
    limits::{self, Allowance, Client, Limiter, Network, network_of},
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

/// Everything that knows secrets of callers (token keys, caches, password slots), and what strangers may ask for.
pub(crate) struct Auth {
    tokens: AccessTokens,
    pub(crate) families: Revocable<RefreshFamilyId, ()>,
    keys: Revocable<ApiKeyHash, Arc<KnownKey>>,
    key_use: KeyUse,
    refused: Limiter<Network>,
    pub(crate) passwords: Passwords,
    pub(crate) guesses: Guesses,
    pub(crate) registrations: Registrations,
}

impl Auth {
    /// Must be called within a tokio runtime: a task of it notes when keys are used, until this value is dropped.
    pub(crate) fn new(store: &Store, env: &Env, config: &GatewayConfig, token_key: &SecretBox<[u8; 32]>) -> Self {
        Self {
            tokens: AccessTokens::new(token_key),
            families: Revocable::new(CACHE_CAPACITY, CACHE_LIFE),
            keys: Revocable::new(CACHE_CAPACITY, CACHE_LIFE),
            key_use: KeyUse::start(store.clone()),
            refused: Limiter::new(Allowance::per_minute(config.refused_credentials_per_minute)),
            passwords: Passwords::new(),
            guesses: Guesses::new(config.login_limits, env.clone()),
            registrations: Registrations::new(config.registration_limits),
        }
    }

    /// Access tokens of this login are refused from now on.
    pub(crate) fn family_revoked(&self, family: RefreshFamilyId) {
        self.families.revoke_one(&family);
    }

    /// This key is refused from now on.
    pub(crate) fn key_revoked(&self, id: ApiKeyId) {
        self.keys.revoke(|_, known| known.key.id == id);
    }

    /// What has happened to keys so far, for [`Self::key_created`].
    pub(crate) fn key_changes(&self) -> Changes {
        self.keys.changes()
    }

    /// This key works from now on. `before` is what had happened before it was committed.
    pub(crate) fn key_created(&self, hash: ApiKeyHash, key: ApiKey, before: Changes) {
        self.keys.learn(hash, Arc::new(KnownKey::new(key)), before);
    }

    /// Whether a credential that memory does not know may be looked up: too many from this network were refused if not.
    pub(crate) fn admit(&self, network: Network, env: &Env) -> Result<(), GatewayError> {
        self.refused.wait(&network, env.now()).map_or(Ok(()), |wait| Err(limits::refusal(wait)))
    }
}

/// A key in memory.
struct KnownKey {
    key: ApiKey,
    /// The minute since 1970 in which its use was last noted.
    noted_minute: AtomicI64,
}

impl KnownKey {
    fn new(key: ApiKey) -> Self {
        let noted_minute = AtomicI64::new(key.last_used_at.map_or(0, minute));
        Self { key, noted_minute }
    }

    /// Whether this is the key's first use in the minute of `now`. Says so once.
    fn is_first_use_in_minute(&self, now: Timestamp) -> bool {
        let minute = minute(now);
        self.noted_minute.load(Ordering::Relaxed) < minute
            && self.noted_minute.fetch_max(minute, Ordering::Relaxed) < minute
    }
}

fn minute(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(60_000)
}

impl Gateway {
    /// The caller behind an access token (`Authorization: Bearer …`). `client` is the caller's address, if it is known.
    pub async fn caller_by_access_token(&self, token: &str, client: Client) -> Result<Caller, GatewayError> {
        let Inner { auth, store, env, .. } = &*self.inner;
        let claims = auth.tokens.read(token, env.now()).map_err(|why| match why {
            NoAccess::Invalid => {
                self.refuse(client, "not an access token", "The access token is not valid. Log in again")
            }
            // Every page that was left open comes with one: no sign of a guesser.
            NoAccess::Expired => GatewayError::Unauthorized("The access token has expired. Refresh it"),
        })?;
        let load = || async {
            let alive = store.refresh_family_is_alive(claims.tid, claims.sid).await;
            alive.map(|alive| alive.then_some(()))
        };
        let alive = auth.families.get(claims.sid, || auth.admit(network_of(client), env), load).await?;
        alive.ok_or_else(|| {
            self.refuse(client, "access token of an ended login", "The login has ended. Log in again")
        })?;
        Ok(Caller {
            tenant_id: claims.tid,
            credential: Credential::User { user_id: claims.sub, role: claims.role, family_id: claims.sid },
        })
    }

    /// The caller behind an API key (`X-API-Key: awp_…`). `client` is the caller's address, if it is known.
    pub async fn caller_by_api_key(&self, key: &str, client: Client) -> Result<Caller, GatewayError> {
        let Inner { auth, store, env, .. } = &*self.inner;
        let unknown = |reason| self.refuse(client, reason, "The API key is not valid");
        if !has_form_of_secret(API_KEY_PREFIX, key) {
            return Err(unknown("not an API key"));
        }
        let hash: ApiKeyHash = Sha256::digest(key.as_bytes()).into();
        let load = || async {
            let key = store.api_key_by_hash_system(&hash).await;
            key.map(|key| key.map(|key| Arc::new(KnownKey::new(key))))
        };
        let known = auth.keys.get(hash, || auth.admit(network_of(client), env), load).await?;
        let known = known.ok_or_else(|| unknown("unknown API key"))?;
        let now = env.now();
        if known.key.expires_at.is_some_and(|end| end <= now) {
            return Err(GatewayError::Unauthorized("The API key has expired. Make a new one"));
        }
        if known.is_first_use_in_minute(now) {
            auth.key_use.note(known.key.id, now);
        }
        Ok(Caller {
            tenant_id: known.key.tenant_id,
            credential: Credential::ApiKey { key_id: known.key.id, scopes: known.key.scopes.clone() },
        })
    }

    /// Counts a credential that is refused, and says so in the log: the line that fail2ban and the like go by
    /// (docs/logging.md). Past the limit the answer is 429 and the log is silent, or a flood would fill the disk.
    pub(crate) fn refuse(&self, client: Client, reason: &'static str, sentence: &'static str) -> GatewayError {
        let Inner { auth, env, .. } = &*self.inner;
        if let Err(wait) = auth.refused.take(&network_of(client), env.now()) {
            return limits::refusal(wait);
        }
        tracing::warn!(client.address = client.map(tracing::field::display), reason, "a credential was refused");
        GatewayError::Unauthorized(sentence)
    }

    /// An access token for a user within one login, and how long it works.
    pub(crate) fn sign_access_token(
        &self,
        user: &User,
        family: RefreshFamilyId,
    ) -> Result<(String, Duration), GatewayError> {
        let life = self.inner.config.access_token_life;
        let now = self.inner.env.now();
        let claims = Claims {
            sub: user.id,
            tid: user.tenant_id,
            role: user.role,
            sid: family,
            iat: now.as_millis() / 1000,
            exp: now.plus(life).as_millis() / 1000,
        };
        Ok((self.inner.auth.tokens.sign(&claims)?, life))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_use_of_a_key_is_noted_once_a_minute() {
        let env = waypost_domain::Env::system();
        let start = Timestamp::from_secs(1_800_000_000);
        let known = KnownKey::new(ApiKey {
            id: env.new_id(),
            tenant_id: env.new_id(),
            name: "server".into(),
            prefix: "awp_abcd".into(),
            scopes: Scope::ALL.to_vec(),
            created_at: start,
            last_used_at: Some(start),
            expires_at: None,
        });
        let at = |secs| start.plus(Duration::from_secs(secs));
        let noted = [0, 59, 60, 61, 119, 120].map(|secs| known.is_first_use_in_minute(at(secs)));
        assert_eq!(noted, [false, false, true, false, false, true]);
    }
}
