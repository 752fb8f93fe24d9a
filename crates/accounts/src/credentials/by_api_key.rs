//! The caller behind an API key.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use sha2::{Digest, Sha256};
use waypost_domain::{ApiKey, Timestamp};
use waypost_store::ApiKeyHash;

use super::{Caller, Credential};
use crate::{Accounts, AccountsError, api_keys::API_KEY_PREFIX, limits::Client, secret::has_form_of_secret};

/// A key in memory.
pub(super) struct KnownKey {
    pub key: ApiKey,
    /// The minute since 1970 in which its use was last noted.
    noted_minute: AtomicI64,
}

impl KnownKey {
    pub fn new(key: ApiKey) -> Self {
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

impl Accounts {
    /// The caller behind an API key (`X-API-Key: awp_…`). `client` is the caller's address, if it is known.
    pub async fn caller_by_api_key(&self, key: &str, client: Client) -> Result<Caller, AccountsError> {
        let accounts = &*self.shared;
        let credentials = &accounts.credentials;
        let unknown = |reason| credentials.refuse(client, reason, "The API key is not valid");
        if !has_form_of_secret(API_KEY_PREFIX, key) {
            return Err(unknown("not an API key"));
        }
        let hash: ApiKeyHash = Sha256::digest(key.as_bytes()).into();
        let load = || async {
            let key = accounts.store.api_key_by_hash_system(&hash).await;
            key.map(|key| key.map(|key| Arc::new(KnownKey::new(key))))
        };
        let known = credentials.keys.get(hash, || credentials.admit(client), load).await?;
        let known = known.ok_or_else(|| unknown("unknown API key"))?;
        let now = accounts.env.now();
        if known.key.expires_at.is_some_and(|end| end <= now) {
            return Err(AccountsError::Unauthorized("The API key has expired. Make a new one"));
        }
        if known.is_first_use_in_minute(now) {
            credentials.key_use.note(known.key.id, now);
        }
        Ok(Caller {
            tenant_id: known.key.tenant_id,
            credential: Credential::ApiKey { key_id: known.key.id, scopes: known.key.scopes.clone() },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use waypost_domain::Scope;

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
