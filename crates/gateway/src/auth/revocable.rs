//! A bounded cache of answers that may be taken back.
//!
//! It guarantees that once [`Revocable::revoke`] has returned, no answer that was loaded before is given again: a load
//! that was under way while something was revoked is not kept. What another process revokes is seen when an entry has
//! lived for its time.

use std::{
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use moka::sync::Cache;

/// See the module.
pub(crate) struct Revocable<K, V> {
    cache: Cache<K, V>,
    revocations: Mutex<u64>,
}

impl<K, V> Revocable<K, V>
where
    K: Copy + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// A cache of at most `capacity` answers, each for at most `life`.
    pub fn new(capacity: u64, life: Duration) -> Self {
        Self { cache: Cache::builder().max_capacity(capacity).time_to_live(life).build(), revocations: Mutex::new(0) }
    }

    /// The kept answer for `key`, or what `load` finds. That there is none is not kept: nobody can push good answers
    /// out by asking for what does not exist.
    pub async fn get<E>(&self, key: K, load: impl Future<Output = Result<Option<V>, E>>) -> Result<Option<V>, E> {
        if let Some(value) = self.cache.get(&key) {
            return Ok(Some(value));
        }
        let before = *self.revocations.lock().unwrap_or_else(PoisonError::into_inner);
        let loaded = load.await?;
        if let Some(value) = &loaded {
            let revocations = self.revocations.lock().unwrap_or_else(PoisonError::into_inner);
            if *revocations == before {
                self.cache.insert(key, value.clone());
            }
        }
        Ok(loaded)
    }

    /// Forgets every answer that `revoked` picks. Call it after the commit that revokes.
    pub fn revoke(&self, revoked: impl Fn(&K, &V) -> bool) {
        let mut revocations = self.revocations.lock().unwrap_or_else(PoisonError::into_inner);
        *revocations += 1;
        for (key, value) in &self.cache {
            if revoked(&key, &value) {
                self.cache.invalidate(&*key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, convert::Infallible};

    use super::*;

    fn cache() -> Revocable<u8, &'static str> {
        Revocable::new(10, Duration::from_mins(1))
    }

    #[tokio::test]
    async fn a_kept_answer_is_not_loaded_again() {
        let (cache, loads) = (cache(), Cell::new(0));
        for _ in 0..3 {
            let load = async {
                loads.set(loads.get() + 1);
                Ok::<_, Infallible>(Some("good"))
            };
            assert_eq!(cache.get(1, load).await, Ok(Some("good")));
        }
        assert_eq!(loads.get(), 1);
    }

    #[tokio::test]
    async fn a_revoked_answer_is_forgotten_and_others_stay() {
        let cache = cache();
        for key in [1, 2] {
            cache.get(key, async { Ok::<_, Infallible>(Some("good")) }).await.unwrap();
        }
        cache.revoke(|key, _| *key == 1);
        assert_eq!(cache.get(1, async { Ok::<_, Infallible>(None) }).await, Ok(None));
        assert_eq!(cache.get(2, async { Ok::<_, Infallible>(None) }).await, Ok(Some("good")));
    }

    #[tokio::test]
    async fn an_answer_that_was_loading_during_a_revocation_is_not_kept() {
        let cache = cache();
        let load = async {
            cache.revoke(|_, _| true);
            Ok::<_, Infallible>(Some("stale"))
        };
        cache.get(1, load).await.unwrap();
        assert_eq!(cache.get(1, async { Ok::<_, Infallible>(None) }).await, Ok(None));
    }
}
