//! Limits on what strangers may ask for: so many in a while, for each of many keys.
//!
//! A [`Limiter`] promises:
//!
//! * **Bounded memory.** It keeps [`KEYS`] keys at most. While all of them are in use, keys that it does not know share
//!   one allowance: who floods from many networks shuts out strangers, not those who are here already.
//! * **A bounded wait.** A clock that is set back holds nobody up for longer than an allowance takes to come back twice.
//!
//! It is our own and not governor's, because it can be asked without being used ([`Limiter::wait`]): who shows a good
//! credential is not counted.

use std::{
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    num::NonZeroU32,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use waypost_domain::{AddressPrefix, Timestamp};

/// How many keys a limiter keeps; a few MiB at most.
const KEYS: usize = 65_536;

/// Where a request came from; none if nobody knows, and then all such requests count as one client's.
pub type Client = Option<IpAddr>;

/// What is counted for a [`Client`].
pub type Network = Option<AddressPrefix>;

/// What is counted for a client.
pub fn network_of(client: Client) -> Network {
    client.map(AddressPrefix::of)
}

/// So many in a time, all at once after a rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// How many.
    pub count: NonZeroU32,
    /// In which time.
    pub within: Duration,
}

impl Allowance {
    /// So many a second; none for no limit.
    pub const fn per_second(count: Option<NonZeroU32>) -> Option<Self> {
        Self::new(count, Duration::from_secs(1))
    }

    /// So many a minute; none for no limit.
    pub const fn per_minute(count: Option<NonZeroU32>) -> Option<Self> {
        Self::new(count, Duration::from_mins(1))
    }

    /// So many a minute, but at most `burst` at once; none for no limit.
    pub fn per_minute_evenly(count: Option<NonZeroU32>, burst: NonZeroU32) -> Option<Self> {
        let count = count?;
        let burst = burst.min(count);
        let within = Duration::from_mins(1).saturating_mul(burst.get()) / count.get();
        Some(Self { count: burst, within })
    }

    /// So many an hour; none for no limit.
    pub const fn per_hour(count: Option<NonZeroU32>) -> Option<Self> {
        Self::new(count, Duration::from_hours(1))
    }

    const fn new(count: Option<NonZeroU32>, within: Duration) -> Option<Self> {
        match count {
            Some(count) => Some(Self { count, within }),
            None => None,
        }
    }
}

/// Counts, for each key by itself.
pub struct Limiter<K> {
    /// Microseconds in which one use comes back, and in which all do; none for no limit.
    pace: Option<(i64, i64)>,
    capacity: usize,
    state: Mutex<State<K>>,
}

struct State<K> {
    /// When each key's whole allowance is back, in microseconds since 1970 (the "theoretical arrival time" of GCRA).
    keys: HashMap<K, i64>,
    /// The same of all keys for which there is no room.
    others: i64,
    /// Keys that found no room since the last sweep.
    refused_room: usize,
}

impl<K: Eq + Hash + Clone> Limiter<K> {
    /// A limiter under this allowance; without one it lets everything pass.
    pub fn new(allowance: Option<Allowance>) -> Self {
        Self::with_capacity(allowance, KEYS)
    }

    fn with_capacity(allowance: Option<Allowance>, capacity: usize) -> Self {
        let pace = allowance.map(|Allowance { count, within }| {
            let within = i64::try_from(within.as_micros()).expect("nobody sets an allowance for longer than an hour");
            ((within / i64::from(count.get())).max(1), within)
        });
        Self { pace, capacity, state: Mutex::new(State { keys: HashMap::new(), others: 0, refused_room: capacity }) }
    }

    /// How long this key has to wait for its next use; none if it may go on. Counts nothing.
    pub fn wait(&self, key: &K, now: Timestamp) -> Option<Duration> {
        let (each, all) = self.pace?;
        let state = self.state();
        let full_at =
            state.keys.get(key).copied().unwrap_or_else(|| if self.is_full(&state) { state.others } else { 0 });
        next(full_at, each, all, now).err()
    }

    /// Counts a use of this key. Refused if it is one too many: how long to wait.
    pub fn take(&self, key: &K, now: Timestamp) -> Result<(), Duration> {
        let Some((each, all)) = self.pace else { return Ok(()) };
        let mut state = self.state();
        if let Some(full_at) = state.keys.get_mut(key) {
            *full_at = next(*full_at, each, all, now)?;
            return Ok(());
        }
        self.make_room(&mut state, all, now);
        if self.is_full(&state) {
            state.others = next(state.others, each, all, now)?;
        } else {
            state.keys.insert(key.clone(), next(0, each, all, now)?);
        }
        Ok(())
    }

    fn is_full(&self, state: &State<K>) -> bool {
        state.keys.len() >= self.capacity
    }

    /// Forgets the keys whose allowance is whole again. A sweep reads all keys, so it is made for one in four of as many
    /// requests.
    fn make_room(&self, state: &mut State<K>, all: i64, now: Timestamp) {
        if !self.is_full(state) {
            return;
        }
        state.refused_room += 1;
        if state.refused_room > self.capacity / 4 {
            state.refused_room = 0;
            let now = micros(now);
            state.keys.retain(|_, full_at| (now..=now + 2 * all).contains(full_at));
        }
    }

    fn state(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When the allowance is whole again after one more use, or how long that use has to wait.
fn next(full_at: i64, each: i64, all: i64, now: Timestamp) -> Result<i64, Duration> {
    let now = micros(now);
    // What lies that far ahead was counted by a clock that has been set back since.
    let full_at = if full_at - now > 2 * all { now } else { full_at.max(now) } + each;
    let early = full_at - now - all;
    if early > 0 { Err(Duration::from_micros(early.unsigned_abs())) } else { Ok(full_at) }
}

fn micros(at: Timestamp) -> i64 {
    at.as_millis().saturating_mul(1000)
}

/// A wait in whole seconds, as `Retry-After` carries it; one at least.
pub fn seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn limiter(count: u32, capacity: usize) -> Limiter<u32> {
        Limiter::with_capacity(Allowance::per_minute(NonZeroU32::new(count)), capacity)
    }

    fn after(secs: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(secs))
    }

    #[test]
    fn a_key_has_its_allowance_at_once_and_gets_it_back_in_time() {
        let limiter = limiter(3, 10);
        for _ in 0..3 {
            assert_eq!(limiter.wait(&1, NOW), None);
            limiter.take(&1, NOW).unwrap();
        }
        assert_eq!(limiter.take(&1, NOW), Err(Duration::from_secs(20)));
        assert_eq!(limiter.wait(&1, after(5)), Some(Duration::from_secs(15)));
        limiter.take(&2, NOW).unwrap();
        limiter.take(&1, after(20)).unwrap();
        assert!(limiter.take(&1, after(20)).is_err());
        for _ in 0..3 {
            limiter.take(&1, after(80)).unwrap();
        }
    }

    #[test]
    fn an_even_allowance_gives_less_at_once_and_as_much_in_all() {
        let even = |count| Allowance::per_minute_evenly(NonZeroU32::new(count), NonZeroU32::new(60).unwrap());
        let limiter = Limiter::new(even(600));
        let passed = |now| (0..1000).filter(|_| limiter.take(&1, now).is_ok()).count();
        assert_eq!((passed(NOW), passed(after(1)), passed(after(60))), (60, 10, 60));
        assert_eq!(even(6), Allowance::per_minute(NonZeroU32::new(6)));
    }

    #[test]
    fn asking_counts_nothing() {
        let limiter = limiter(1, 10);
        for _ in 0..10 {
            assert_eq!(limiter.wait(&1, NOW), None);
        }
        limiter.take(&1, NOW).unwrap();
    }

    #[test]
    fn without_an_allowance_everything_passes() {
        let limiter = limiter(0, 10);
        for _ in 0..1000 {
            limiter.take(&1, NOW).unwrap();
        }
        assert_eq!(limiter.wait(&1, NOW), None);
    }

    #[test]
    fn past_its_capacity_strangers_share_one_allowance_and_the_known_keep_theirs() {
        let limiter = limiter(2, 100);
        for key in 0..100 {
            limiter.take(&key, NOW).unwrap();
        }
        limiter.take(&1000, NOW).unwrap();
        limiter.take(&1001, NOW).unwrap();
        assert!(limiter.take(&1002, NOW).is_err());
        assert!(limiter.wait(&1003, NOW).is_some());
        limiter.take(&7, NOW).unwrap();
        assert_eq!(limiter.state().keys.len(), 100);
    }

    #[test]
    fn whose_allowance_is_whole_again_makes_room() {
        let limiter = limiter(2, 100);
        for key in 0..100 {
            limiter.take(&key, NOW).unwrap();
        }
        for key in 1000..1050 {
            let _ = limiter.take(&key, after(61));
        }
        assert!(limiter.state().keys.len() <= 50, "{}", limiter.state().keys.len());
        assert!(limiter.state().keys.contains_key(&1049));
    }

    #[test]
    fn a_clock_that_is_set_back_holds_nobody_up_for_longer_than_the_allowance_takes_twice() {
        let limiter = limiter(2, 10);
        for (key, secs) in [(1, 86_400), (2, 59)] {
            for _ in 0..2 {
                limiter.take(&key, after(secs)).unwrap();
            }
        }
        assert_eq!(limiter.wait(&1, NOW), None);
        assert_eq!(limiter.wait(&2, NOW), Some(Duration::from_secs(89)));
    }

    #[test]
    fn a_wait_is_told_in_whole_seconds_and_never_as_none() {
        assert_eq!(seconds(Duration::from_millis(1)), 1);
        assert_eq!(seconds(Duration::from_millis(1001)), 2);
        assert_eq!(seconds(Duration::ZERO), 1);
    }
}
