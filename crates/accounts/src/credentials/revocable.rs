//! A bounded cache of answers that may be taken back.
//!
//! It promises:
//!
//! * **What was revoked is gone.** Once [`Revocable::revoke`] has returned, no answer that was loaded before is given
//!   again, also not one whose load was under way. What another process revokes is seen when an answer has lived for its
//!   time.
//! * **What was made is there.** Once [`Revocable::learn`] has returned, no "there is none" from before is given again.
//! * **One load at a time for one key.** Whoever asks meanwhile waits for the same answer, also if it is "there is none",
//!   which is kept for [`NONE_LIFE`]. An answer in use is renewed by one caller before it ends, so that the others do not
//!   notice.
//! * **Nobody pushes good answers out** by asking for what does not exist: the two are kept apart.
//! * **Who was good is known** for [`KNOWN_LIFE`] after their last request. That admits nobody; it only tells them from
//!   strangers while a limit is exceeded.

use std::{
    hash::Hash,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use waypost_store::StoreError;

use crate::AccountsError;

/// How long it is remembered that there is none.
const NONE_LIFE: Duration = Duration::from_secs(2);

/// How many fresh answers of the database are kept for whoever asks at the same time.
const NONE_CAPACITY: u64 = 10_000;

/// How long a good key is told from an unknown one.
const KNOWN_LIFE: Duration = Duration::from_hours(1);

/// See the module.
pub(crate) struct Revocable<K, V> {
    life: Duration,
    known: moka::sync::Cache<K, Known<V>>,
    asked: moka::future::Cache<K, Asked<V>>,
    changes: Mutex<Changes>,
}

/// What has happened so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    revoked: u64,
    learned: u64,
}

#[derive(Clone)]
struct Known<V> {
    value: V,
    since: Instant,
    is_renewed: Arc<AtomicBool>,
}

#[derive(Clone)]
struct Asked<V> {
    answer: Result<Option<V>, StoreError>,
    since: Instant,
    /// What had happened when the load began.
    changes: Changes,
}

impl<K, V> Revocable<K, V>
where
    K: Copy + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// A cache of at most `capacity` answers, each good for at most `life`.
    pub fn new(capacity: u64, life: Duration) -> Self {
        Self {
            life,
            known: moka::sync::Cache::builder().max_capacity(capacity).time_to_idle(KNOWN_LIFE).build(),
            asked: moka::future::Cache::builder().max_capacity(NONE_CAPACITY).time_to_live(NONE_LIFE).build(),
            changes: Mutex::default(),
        }
    }

    /// The kept answer for `key`, or what `load` finds. `admit` may refuse the look-up for a key that is not known.
    pub async fn get<L>(
        &self,
        key: K,
        admit: impl FnOnce() -> Result<(), AccountsError>,
        load: impl Fn() -> L,
    ) -> Result<Option<V>, AccountsError>
    where
        L: Future<Output = Result<Option<V>, StoreError>>,
    {
        match self.known.get(&key) {
            Some(known) if !known.is_due(self.life) => return Ok(Some(known.value)),
            Some(_) => {}
            None => admit()?,
        }
        match self.ask(key, load).await {
            Ok(answer) => Ok(answer),
            // Whoever renews ahead of time is served like the others while the database is away.
            Err(error) => match self.known.get(&key).filter(|known| known.since.elapsed() < self.life) {
                Some(known) => Ok(Some(known.value)),
                None => Err(error.into()),
            },
        }
    }

    async fn ask<L>(&self, key: K, load: impl Fn() -> L) -> Result<Option<V>, StoreError>
    where
        L: Future<Output = Result<Option<V>, StoreError>>,
    {
        let start = self.changes();
        loop {
            let asking = async {
                let changes = self.changes();
                let answer = load().await;
                Asked { answer, since: Instant::now(), changes }
            };
            let is_old = |asked: &Asked<V>| {
                asked.answer.is_err() || asked.since.elapsed() >= NONE_LIFE || asked.changes.are_before(start)
            };
            let entry = self.asked.entry(key).or_insert_with_if(asking, is_old).await;
            let is_ours = entry.is_fresh();
            let asked = entry.into_value();
            // We joined a load that began before we asked: what it found may have been revoked since, or made.
            if asked.changes.are_before(start) {
                continue;
            }
            if is_ours {
                self.keep(key, &asked);
            }
            return asked.answer;
        }
    }

    fn keep(&self, key: K, asked: &Asked<V>) {
        match &asked.answer {
            Ok(Some(value)) => {
                let changes = self.lock();
                if changes.revoked == asked.changes.revoked {
                    self.known.insert(key, Known::new(value.clone(), asked.since));
                }
            }
            Ok(None) => self.known.invalidate(&key),
            Err(_) => {}
        }
    }

    /// What has happened so far, for [`Self::learn`].
    pub fn changes(&self) -> Changes {
        *self.lock()
    }

    /// Keeps an answer that was just made true. Call it after the commit, with the [`Self::changes`] from before it.
    pub fn learn(&self, key: K, value: V, before: Changes) {
        let mut changes = self.lock();
        changes.learned += 1;
        if changes.revoked == before.revoked {
            self.known.insert(key, Known::new(value, Instant::now()));
        }
    }

    /// Forgets every answer that `revoked` picks. Call it after the commit that revokes.
    pub fn revoke(&self, revoked: impl Fn(&K, &V) -> bool) {
        let mut changes = self.lock();
        changes.revoked += 1;
        for (key, known) in &self.known {
            if revoked(&key, &known.value) {
                self.known.invalidate(&*key);
            }
        }
    }

    /// Forgets the answer for one key. Call it after the commit that revokes.
    pub fn revoke_one(&self, key: &K) {
        let mut changes = self.lock();
        changes.revoked += 1;
        self.known.invalidate(key);
    }

    fn lock(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Changes {
    const fn are_before(self, other: Self) -> bool {
        self.revoked < other.revoked || self.learned < other.learned
    }
}

impl<V> Known<V> {
    fn new(value: V, since: Instant) -> Self {
        Self { value, since, is_renewed: Arc::default() }
    }

    /// Whether the caller is to ask anew: because the answer's time is over, or because its last quarter has begun and
    /// nobody renews it yet.
    fn is_due(&self, life: Duration) -> bool {
        let age = self.since.elapsed();
        age >= life || (age >= life * 3 / 4 && !self.is_renewed.swap(true, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use tokio::sync::Notify;

    use super::*;

    type Loaded = Result<Option<&'static str>, StoreError>;

    const NEVER_OLD: Duration = Duration::from_mins(1);
    /// Such an answer is due from the start.
    const OLD_AT_ONCE: Duration = Duration::ZERO;

    fn cache(life: Duration) -> Revocable<u8, &'static str> {
        Revocable::new(10, life)
    }

    async fn get(cache: &Revocable<u8, &'static str>, key: u8, found: Option<&'static str>) -> Option<&'static str> {
        cache.get(key, || Ok(()), || async move { Ok(found) }).await.unwrap()
    }

    fn ago(age: Duration) -> Instant {
        Instant::now().checked_sub(age).unwrap()
    }

    fn refuse() -> Result<(), AccountsError> {
        Err(AccountsError::RateLimited(7))
    }

    async fn fail() -> Loaded {
        Err(StoreError::Unavailable("away".into()))
    }

    #[tokio::test]
    async fn a_kept_answer_is_not_loaded_again() {
        let cache = cache(NEVER_OLD);
        assert_eq!(get(&cache, 1, Some("good")).await, Some("good"));
        assert_eq!(get(&cache, 1, Some("other")).await, Some("good"));
    }

    #[tokio::test]
    async fn a_revoked_answer_is_forgotten_and_others_stay() {
        let cache = cache(NEVER_OLD);
        for key in [1, 2, 3] {
            get(&cache, key, Some("good")).await;
        }
        cache.revoke(|key, _| *key == 1);
        cache.revoke_one(&3);
        assert_eq!(get(&cache, 1, None).await, None);
        assert_eq!(get(&cache, 2, None).await, Some("good"));
        assert_eq!(get(&cache, 3, None).await, None);
    }

    #[tokio::test]
    async fn an_answer_that_was_loading_during_a_revocation_is_not_kept() {
        let cache = cache(NEVER_OLD);
        let load = || async {
            cache.revoke(|_, _| true);
            Ok(Some("stale"))
        };
        cache.get(1, || Ok(()), load).await.unwrap();
        assert_eq!(get(&cache, 1, None).await, None);
    }

    #[tokio::test]
    async fn whoever_asks_after_a_revocation_does_not_join_a_load_from_before() {
        let cache = cache(NEVER_OLD);
        let (begun, go_on) = (Notify::new(), Notify::new());
        let early = cache.get(
            1,
            || Ok(()),
            || async {
                begun.notify_one();
                go_on.notified().await;
                Ok(Some("stale"))
            },
        );
        let late = async {
            begun.notified().await;
            cache.revoke_one(&1);
            let (late, ()) = tokio::join!(get(&cache, 1, None), async { go_on.notify_one() });
            late
        };
        let (early, late) = tokio::join!(early, late);
        assert_eq!((early.unwrap(), late), (Some("stale"), None));
    }

    #[tokio::test]
    async fn all_who_ask_at_once_share_one_load_whatever_it_finds() {
        for found in [Some("good"), None] {
            let cache = cache(OLD_AT_ONCE);
            let loads = AtomicU32::new(0);
            let ask = || {
                cache.get(
                    1,
                    || Ok(()),
                    || async {
                        loads.fetch_add(1, Ordering::Relaxed);
                        tokio::task::yield_now().await;
                        Ok(found)
                    },
                )
            };
            let answers = futures::future::join_all((0..100).map(|_| ask())).await;
            assert!(answers.into_iter().all(|answer| answer.unwrap() == found));
            assert_eq!(loads.into_inner(), 1);
        }
    }

    #[tokio::test]
    async fn what_does_not_exist_is_not_looked_for_again_until_it_is_made() {
        let cache = cache(NEVER_OLD);
        assert_eq!(get(&cache, 1, None).await, None);
        assert_eq!(get(&cache, 1, Some("not looked at")).await, None);
        let before = cache.changes();
        cache.learn(1, "made", before);
        assert_eq!(get(&cache, 1, None).await, Some("made"));
        // Another was made: this one might have been, too, and its answer is asked for anew.
        assert_eq!(get(&cache, 2, None).await, None);
        cache.learn(3, "made", cache.changes());
        assert_eq!(get(&cache, 2, Some("made")).await, Some("made"));
    }

    #[tokio::test]
    async fn what_was_revoked_while_it_was_made_is_not_kept() {
        let cache = cache(NEVER_OLD);
        let before = cache.changes();
        cache.revoke_one(&1);
        cache.learn(1, "made", before);
        assert_eq!(get(&cache, 1, None).await, None);
    }

    #[tokio::test]
    async fn a_stranger_may_be_refused_the_look_up_and_the_known_never_are() {
        let cache = cache(OLD_AT_ONCE);
        let load = || async { Ok(Some("good")) };
        assert!(matches!(cache.get(1, refuse, load).await, Err(AccountsError::RateLimited(7))));
        cache.get(1, || Ok(()), load).await.unwrap();
        assert_eq!(cache.get(1, refuse, load).await.unwrap(), Some("good"));
    }

    #[tokio::test]
    async fn one_caller_renews_an_answer_in_its_last_quarter() {
        let life = Duration::from_secs(100);
        let known = Known::new((), ago(Duration::from_secs(76)));
        assert!(known.is_due(life));
        assert!(!known.is_due(life), "one caller renews it already");
        assert!(!Known::new((), Instant::now()).is_due(life));
        let old = Known::new((), ago(life));
        assert!(old.is_due(life) && old.is_due(life));
    }

    #[tokio::test]
    async fn who_renews_is_served_from_memory_while_the_database_is_away() {
        let cache = cache(Duration::from_secs(100));
        cache.known.insert(1, Known::new("good", ago(Duration::from_secs(80))));
        assert_eq!(cache.get(1, || Ok(()), fail).await.unwrap(), Some("good"));
        assert!(matches!(cache.get(2, || Ok(()), fail).await, Err(AccountsError::DatabaseUnavailable(_))));
    }
}
