//! Slows down whoever guesses passwords, and not the one whose password it is.
//!
//! Only failures count. It promises:
//!
//! * **A guesser waits longer and longer.** After [`FREE`] failures for one account from one network each further try
//!   waits for 1 s, 2 s, 4 s, up to [`LONGEST`]. A success forgets them.
//! * **The victim does not.** What one network does is nothing to another, until so many networks guess that the account's
//!   own allowance is used up; then networks from which it logged in before still get through at once.
//! * **One network cannot try many accounts**: it has an allowance of failures for all of them.
//! * **An unknown e-mail is treated like a known one**, by counters of its own: inventing e-mails pushes no account's
//!   failures out. Each stands for one of [`STAND_INS`], by a secret that dies with the process, so that no number of
//!   them fills the counters and lets the two be told apart.
//! * **Bounded memory**: [`PAIRS`] and [`HOMES`]. A restart forgets everything.
//!
//! An attempt that is under way counts as one that may fail ([`AT_ONCE`]), so that a hundred at once are not a hundred
//! guesses.

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use moka::sync::Cache;
use sha2::{Digest, Sha256};
use waypost_domain::{Email, Env, Timestamp, UserId};

use crate::limits::{Allowance, Limiter, Network};

/// How many failures in a row cost no wait: people mistype.
const FREE: u32 = 5;

/// The longest wait after a failure.
const LONGEST: Duration = Duration::from_mins(15);

/// How long after the last failure all of them are forgotten.
const FORGOTTEN: Duration = Duration::from_hours(24);

/// How many attempts may be under way for one account from one network; one past [`FREE`] failures.
const AT_ONCE: u32 = 20;

/// For how many accounts and networks failures are kept, for known and for unknown e-mails each.
const PAIRS: u64 = 100_000;

/// How many accounts the e-mails that nobody has stand for; fewer than a [`Limiter`] keeps.
const STAND_INS: u16 = 1 << 15;

/// How many networks are remembered from which an account logged in, over all accounts.
const HOMES: u64 = 100_000;

/// How long such a network is remembered.
const HOME_LIFE: Duration = Duration::from_hours(30 * 24);

/// How many logins may fail; none for no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginLimits {
    /// A minute, from one network (an IPv4 address, an IPv6 /56), for whatever e-mails.
    pub failures_per_minute: Option<NonZeroU32>,
    /// An hour, for one e-mail, from whatever networks, before only those pass from which it logged in before.
    pub failures_per_email: Option<NonZeroU32>,
}

impl Default for LoginLimits {
    fn default() -> Self {
        Self { failures_per_minute: NonZeroU32::new(60), failures_per_email: NonZeroU32::new(50) }
    }
}

/// The failures that are remembered.
pub(crate) struct Guesses {
    env: Env,
    networks: Limiter<Network>,
    known: Book,
    unknown: Book,
    secret: [u8; 16],
    homes: Cache<(UserId, Network), ()>,
}

/// The id of an account, or the number that an e-mail which nobody has stands for.
type Subject = [u8; 16];

struct Book {
    pairs: Cache<(Subject, Network), Arc<Mutex<Pair>>>,
    subjects: Limiter<Subject>,
}

/// One account and one network.
#[derive(Default)]
struct Pair {
    failures: u32,
    last: Option<Timestamp>,
    under_way: u32,
}

impl Guesses {
    pub fn new(limits: LoginLimits, env: Env) -> Self {
        let book = || Book {
            pairs: Cache::builder().max_capacity(PAIRS).time_to_idle(FORGOTTEN).build(),
            subjects: Limiter::new(Allowance::per_hour(limits.failures_per_email)),
        };
        Self {
            secret: env.bytes(),
            env,
            networks: Limiter::new(Allowance::per_minute(limits.failures_per_minute)),
            known: book(),
            unknown: book(),
            homes: Cache::builder().max_capacity(HOMES).time_to_idle(HOME_LIFE).build(),
        }
    }

    /// Whether a network may try at all; else how long it has to wait.
    pub fn admit(&self, network: Network) -> Result<(), Duration> {
        self.networks.wait(&network, self.env.now()).map_or(Ok(()), Err)
    }

    /// Begins an attempt for an e-mail, and the user who has it; else how long to wait.
    pub fn begin(&self, email: &Email, user: Option<UserId>, network: Network) -> Result<Attempt<'_>, Duration> {
        let now = self.env.now();
        let (book, subject) = match user {
            Some(user) => (&self.known, *user.as_uuid().as_bytes()),
            None => (&self.unknown, self.stand_in(email)),
        };
        let is_home = user.is_some_and(|user| self.homes.contains_key(&(user, network)));
        let pair = book.pairs.get_with((subject, network), Arc::default);
        lock(&pair).begin(now)?;
        let attempt = Attempt { guesses: self, book, subject, user, network, pair, end: End::Failed };
        match book.subjects.wait(&subject, now) {
            Some(wait) if !is_home => {
                attempt.void();
                Err(wait)
            }
            _ => Ok(attempt),
        }
    }

    fn stand_in(&self, email: &Email) -> Subject {
        let digest = Sha256::new().chain_update(self.secret).chain_update(email.as_str()).finalize();
        let number = u16::from_be_bytes([digest[0], digest[1]]) % STAND_INS;
        let mut subject = Subject::default();
        subject[..2].copy_from_slice(&number.to_be_bytes());
        subject
    }

    /// From this network the user proved who they are.
    pub fn remember(&self, user: UserId, network: Network) {
        self.homes.insert((user, network), ());
    }
}

impl Pair {
    fn begin(&mut self, now: Timestamp) -> Result<(), Duration> {
        if let Some(last) = self.last {
            // A clock that was set back does not lengthen the wait.
            let last = last.min(now);
            self.last = Some(last);
            if now.since(last) >= FORGOTTEN {
                self.failures = 0;
            }
            let wait = self.delay().saturating_sub(now.since(last));
            if !wait.is_zero() {
                return Err(wait);
            }
        }
        let most = if self.failures < FREE { AT_ONCE } else { 1 };
        if self.under_way >= most {
            return Err(Duration::from_secs(1));
        }
        self.under_way += 1;
        Ok(())
    }

    fn delay(&self) -> Duration {
        match self.failures.checked_sub(FREE) {
            None => Duration::ZERO,
            Some(doublings) => Duration::from_secs(1).saturating_mul(1 << doublings.min(16)).min(LONGEST),
        }
    }
}

/// An attempt that is under way. Dropped, it has failed: the caller did not wait for the answer.
#[must_use]
pub(crate) struct Attempt<'a> {
    guesses: &'a Guesses,
    book: &'a Book,
    subject: Subject,
    user: Option<UserId>,
    network: Network,
    pair: Arc<Mutex<Pair>>,
    end: End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Failed,
    Passed,
    Void,
}

impl Attempt<'_> {
    /// The password was right.
    pub fn passed(mut self) {
        self.end = End::Passed;
    }

    /// It was not found out.
    pub fn void(mut self) {
        self.end = End::Void;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let now = self.guesses.env.now();
        let mut pair = lock(&self.pair);
        pair.under_way -= 1;
        match self.end {
            End::Passed => pair.failures = 0,
            End::Failed => {
                pair.failures = pair.failures.saturating_add(1);
                pair.last = Some(now);
            }
            End::Void => {}
        }
        drop(pair);
        match (self.end, self.user) {
            (End::Passed, Some(user)) => self.guesses.remember(user, self.network),
            (End::Failed, _) => {
                // Past the allowance there is nothing left to count.
                let _ = self.book.subjects.take(&self.subject, now);
                let _ = self.guesses.networks.take(&self.network, now);
            }
            _ => {}
        }
    }
}

fn lock(pair: &Mutex<Pair>) -> MutexGuard<'_, Pair> {
    pair.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use waypost_domain::env::{ManualClock, SystemEntropy};

    use super::*;
    use crate::limits::network_of;

    struct World {
        guesses: Guesses,
        clock: ManualClock,
        ada: UserId,
    }

    fn world(limits: LoginLimits) -> World {
        let clock = ManualClock::at(Timestamp::from_secs(1_800_000_000));
        let env = Env::new(clock.clone(), SystemEntropy);
        World { ada: env.new_id(), guesses: Guesses::new(limits, env), clock }
    }

    const NO_LIMITS: LoginLimits = LoginLimits { failures_per_minute: None, failures_per_email: None };

    fn from(number: u8) -> Network {
        network_of(Some([192, 0, 2, number].into()))
    }

    impl World {
        fn begin(&self, user: Option<UserId>, network: Network) -> Result<Attempt<'_>, Duration> {
            self.guesses.begin(&"ada@example.com".parse().unwrap(), user, network)
        }

        fn fail(&self, user: Option<UserId>, network: Network) {
            drop(self.begin(user, network).unwrap());
        }

        fn wait(&self, user: Option<UserId>, network: Network) -> Option<Duration> {
            self.begin(user, network).map(Attempt::void).err()
        }

        fn pass(&self, secs: u64) {
            self.clock.advance(Duration::from_secs(secs));
        }
    }

    #[test]
    fn a_guesser_waits_longer_and_longer_whether_the_email_is_known_or_not() {
        let world = world(NO_LIMITS);
        for user in [Some(world.ada), None] {
            for _ in 0..5 {
                world.fail(user, from(1));
            }
            for wait in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
                assert_eq!(world.wait(user, from(1)), Some(Duration::from_secs(wait)));
                world.pass(wait);
                world.fail(user, from(1));
            }
            world.pass(86_400);
            assert_eq!(world.wait(user, from(1)), None);
            world.fail(user, from(1));
            assert_eq!(world.wait(user, from(1)), None, "a day later they are forgotten");
        }
    }

    #[test]
    fn a_guessers_waits_are_not_its_victims() {
        let world = world(LoginLimits::default());
        for _ in 0..5 {
            world.fail(Some(world.ada), from(1));
        }
        assert!(world.wait(Some(world.ada), from(1)).is_some());
        world.begin(Some(world.ada), from(2)).unwrap().passed();
        assert!(world.wait(Some(world.ada), from(1)).is_some());
    }

    #[test]
    fn while_many_networks_guess_those_that_logged_in_before_get_through() {
        let world = world(LoginLimits { failures_per_minute: None, failures_per_email: NonZeroU32::new(50) });
        let (home, away) = (from(201), from(202));
        world.begin(Some(world.ada), home).unwrap().passed();
        for number in 0..50 {
            world.fail(Some(world.ada), from(number));
        }
        assert_eq!(world.wait(Some(world.ada), away), Some(Duration::from_secs(72)));
        world.begin(Some(world.ada), home).unwrap().passed();
        world.pass(72);
        assert_eq!(world.wait(Some(world.ada), away), None);
    }

    #[test]
    fn success_forgets_the_failures_and_counts_as_none() {
        let world = world(LoginLimits { failures_per_minute: NonZeroU32::new(5), ..NO_LIMITS });
        for _ in 0..4 {
            world.fail(Some(world.ada), from(1));
        }
        for _ in 0..100 {
            world.guesses.admit(from(1)).unwrap();
            world.begin(Some(world.ada), from(1)).unwrap().passed();
        }
        world.fail(Some(world.ada), from(1));
        assert_eq!(world.wait(Some(world.ada), from(1)), None, "one failure since the last success");
        assert_eq!(world.guesses.admit(from(1)), Err(Duration::from_secs(12)), "five failures in all");
        world.guesses.admit(from(2)).unwrap();
    }

    #[test]
    fn what_could_not_be_checked_is_no_failure() {
        let world = world(LoginLimits { failures_per_minute: NonZeroU32::new(1), ..NO_LIMITS });
        for _ in 0..100 {
            world.begin(Some(world.ada), from(1)).unwrap().void();
        }
        world.guesses.admit(from(1)).unwrap();
    }

    #[test]
    fn inventing_emails_does_not_make_the_unknown_ones_differ_from_the_known() {
        let world = world(LoginLimits { failures_per_minute: None, failures_per_email: NonZeroU32::new(50) });
        for number in 0..100_000 {
            let email = format!("eve{number}@example.com").parse().unwrap();
            let _ = world.guesses.begin(&email, None, from(1));
        }
        assert_eq!(world.wait(None, from(2)), None);
        assert_eq!(world.wait(Some(world.ada), from(2)), None);
    }

    #[test]
    fn attempts_at_once_are_bounded_and_past_the_free_failures_there_is_one() {
        let world = world(NO_LIMITS);
        let at_once: Vec<_> = (0..20).map(|_| world.begin(None, from(1)).unwrap()).collect();
        assert_eq!(world.wait(None, from(1)), Some(Duration::from_secs(1)));
        drop(at_once);
        world.pass(900);
        let one = world.begin(None, from(1)).unwrap();
        assert_eq!(world.wait(None, from(1)), Some(Duration::from_secs(1)));
        one.passed();
        assert_eq!(world.wait(None, from(1)), None);
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_lengthen_the_wait() {
        let now = Timestamp::from_secs(1_800_000_000);
        let mut pair = Pair { failures: 6, last: Some(now.plus(FORGOTTEN)), under_way: 0 };
        assert_eq!(pair.begin(now), Err(Duration::from_secs(2)));
        assert_eq!(pair.begin(now.plus(Duration::from_secs(2))), Ok(()));
    }
}
