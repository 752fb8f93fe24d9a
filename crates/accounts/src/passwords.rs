//! Passwords: argon2id, off the async threads, with bounded queues in front.
//!
//! One hash takes 19 MiB and some 30 ms of one core. A flood of logins or registrations may therefore neither fill the
//! memory nor take all cores and blocking threads (messages and the database need them). It promises:
//!
//! * Half the cores hash at a time, one at least.
//! * [`QUEUE`] logins and as many registrations wait, and the rest is told to come back; one network has [`SHARE`] places.
//! * Registrations cannot lock out logins: they wait in a queue of their own, and one of them at a time stands beside the
//!   logins for a slot.
//!
//! The slots keep their memory: given back to the allocator after each hash, it stayed with the process in pieces, one for
//! each thread that ever hashed (seen: 700 MB after 400 logins at once).

use std::{
    collections::HashMap,
    str::FromStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use argon2::{
    Algorithm, Argon2, Block, Params, PasswordHash, Version,
    password_hash::phc::{Output, ParamsString, Salt},
};
use subtle::ConstantTimeEq;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use waypost_domain::Env;
use zeroize::Zeroizing;

use crate::{AccountsError, limits::Network};

/// How many may wait in each queue: some four seconds' work of one core.
const QUEUE: usize = 128;

/// How many of them may come from one network.
const SHARE: usize = 32;

/// An argon2id hash of no password, checked where there is no user, so that an unknown e-mail takes as long as a wrong
/// password. Its parameters are those of [`new_hash`].
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mgc2FsdCE$bm9ib2R5IGhhcyB0aGlzIHBhc3N3b3JkLCBub2JvZHk";

/// A password that someone wants to have: 8 to 128 characters.
#[derive(Clone)]
pub struct NewPassword(Zeroizing<String>);

impl NewPassword {
    /// The fewest characters.
    pub const MIN: usize = 8;
    /// The most characters: enough for any sentence, and no gift to whoever wants to keep the hasher busy.
    pub const MAX: usize = 128;
}

impl FromStr for NewPassword {
    type Err = NotAPassword;

    fn from_str(text: &str) -> Result<Self, NotAPassword> {
        if (Self::MIN..=Self::MAX).contains(&text.chars().count()) {
            Ok(Self(Zeroizing::new(text.to_owned())))
        } else {
            Err(NotAPassword)
        }
    }
}

/// The text cannot be a password here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Must have 8 to 128 characters")]
pub struct NotAPassword;

/// Hashes and checks passwords.
pub(crate) struct Passwords {
    logins: Queue,
    registrations: Queue,
    slots: Arc<Semaphore>,
    /// The memory of the slots that have run and are free now.
    memory: Arc<Mutex<Vec<Memory>>>,
}

type Memory = Vec<Block>;

impl Passwords {
    pub fn new() -> Self {
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self::with_slots((cores / 2).max(1))
    }

    fn with_slots(slots: usize) -> Self {
        Self {
            logins: Queue::new(slots),
            registrations: Queue::new(1),
            slots: Arc::new(Semaphore::new(slots)),
            memory: Arc::default(),
        }
    }

    /// The hash string of a new password. [`AccountsError::RateLimited`] if too many wait.
    pub async fn hash(&self, password: NewPassword, env: &Env, network: Network) -> Result<String, AccountsError> {
        let salt: [u8; 16] = env.bytes();
        self.run(&self.registrations, network, move |memory| new_hash(&password.0, &salt, memory)).await
    }

    /// Whether `password` belongs to `hash`; if there is no hash it never does, in the same time.
    /// [`AccountsError::RateLimited`] if too many wait.
    pub async fn verify(
        &self,
        password: Zeroizing<String>,
        hash: Option<String>,
        network: Network,
    ) -> Result<bool, AccountsError> {
        self.run(&self.logins, network, move |memory| {
            let matches = matches(&password, hash.as_deref().unwrap_or(NOBODY), memory)?;
            Ok(matches && hash.is_some())
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        queue: &Queue,
        network: Network,
        work: impl FnOnce(&mut Memory) -> argon2::password_hash::Result<T> + Send + 'static,
    ) -> Result<T, AccountsError> {
        let place = queue.enter(network).ok_or(AccountsError::RateLimited(2))?;
        let front = acquire(&queue.front).await;
        let slot = acquire(&self.slots).await;
        let free = Arc::clone(&self.memory);
        // The permits go with the work: a caller who hangs up does not free a slot that is still at work.
        let task = tokio::task::spawn_blocking(move || {
            let _permits = (place, front, slot);
            let mut memory = lock(&free).pop().unwrap_or_default();
            let done = work(&mut memory);
            lock(&free).push(memory);
            done
        });
        let done =
            task.await.map_err(|error| AccountsError::Internal(format!("the password hasher stopped: {error}")))?;
        done.map_err(|error| AccountsError::Internal(format!("a password was not hashed: {error}")))
    }
}

/// Those who wait for a slot.
struct Queue {
    places: Arc<Mutex<Places>>,
    /// As many of the queue as may stand before the slots.
    front: Arc<Semaphore>,
}

/// How many places each network has taken. A network without one is not in it.
#[derive(Default)]
struct Places {
    taken: usize,
    by_network: HashMap<Network, usize>,
}

impl Queue {
    fn new(front: usize) -> Self {
        Self { places: Arc::default(), front: Arc::new(Semaphore::new(front)) }
    }

    /// A place in the queue, until it is dropped; none if the queue or the network's share of it is full.
    fn enter(&self, network: Network) -> Option<Place> {
        let mut places = lock(&self.places);
        let share = places.by_network.get(&network).copied().unwrap_or(0);
        if places.taken >= QUEUE || share >= SHARE {
            return None;
        }
        places.taken += 1;
        places.by_network.insert(network, share + 1);
        Some(Place { places: Arc::clone(&self.places), network })
    }
}

struct Place {
    places: Arc<Mutex<Places>>,
    network: Network,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = lock(&self.places);
        places.taken -= 1;
        if let Some(share) = places.by_network.get_mut(&self.network) {
            *share -= 1;
            if *share == 0 {
                places.by_network.remove(&self.network);
            }
        }
    }
}

async fn acquire(semaphore: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    Arc::clone(semaphore).acquire_owned().await.expect("the semaphore is never closed")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn new_hash(password: &str, salt: &[u8], memory: &mut Memory) -> argon2::password_hash::Result<String> {
    // OWASP's first choice of small parameters: 19 MiB, two passes, one lane.
    let params = Params::new(19 * 1024, 2, 1, None)?;
    let hash = argon2id(&params, password, salt, memory)?;
    let string = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params)?,
        salt: Some(Salt::new(salt)?),
        hash: Some(Output::new(&hash)?),
    };
    Ok(string.to_string())
}

/// Checks with the parameters that the hash string names.
fn matches(password: &str, hash: &str, memory: &mut Memory) -> argon2::password_hash::Result<bool> {
    let stored = PasswordHash::new(hash)?;
    let (Some(salt), Some(wanted)) = (&stored.salt, &stored.hash) else { return Ok(false) };
    let found = argon2id(&Params::try_from(&stored)?, password, salt, memory)?;
    Ok(found.ct_eq(wanted.as_ref()).into())
}

fn argon2id(params: &Params, password: &str, salt: &[u8], memory: &mut Memory) -> argon2::Result<[u8; 32]> {
    let mut hash = [0; 32];
    memory.resize(params.block_count(), Block::new());
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    argon2.hash_password_into_with_memory(password.as_bytes(), salt, &mut hash, memory)?;
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::limits::network_of;

    fn secret(text: &str) -> Zeroizing<String> {
        Zeroizing::new(text.to_owned())
    }

    #[tokio::test]
    async fn a_password_belongs_to_its_own_hash_only() {
        let passwords = Passwords::new();
        let hash = passwords.hash("correct horse".parse().unwrap(), &Env::system(), None).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.verify(secret("correct horse"), Some(hash.clone()), None).await.unwrap());
        assert!(!passwords.verify(secret("correct mouse"), Some(hash), None).await.unwrap());
    }

    #[tokio::test]
    async fn without_a_user_the_same_work_is_done_and_no_password_fits() {
        let nobody = PasswordHash::new(NOBODY).unwrap();
        let somebody = Passwords::new().hash("correct horse".parse().unwrap(), &Env::system(), None).await.unwrap();
        let somebody = PasswordHash::new(&somebody).unwrap();
        assert_eq!(nobody.params, somebody.params);
        assert_eq!(nobody.hash.unwrap().as_bytes().len(), somebody.hash.unwrap().as_bytes().len());
        assert!(!Passwords::new().verify(secret("nobody"), None, None).await.unwrap());
    }

    fn network(number: usize) -> Network {
        network_of(Some([192, 0, 2, u8::try_from(number).unwrap()].into()))
    }

    #[tokio::test]
    async fn a_flood_is_refused_beyond_the_queue_and_one_network_beyond_its_share() {
        let passwords = Passwords::with_slots(1);
        let verify = |from| passwords.verify(secret("x"), None, network(from));
        let mut places: Vec<_> = (0..SHARE).map(|_| passwords.logins.enter(network(0)).unwrap()).collect();
        assert!(matches!(verify(0).await, Err(AccountsError::RateLimited(2))));
        assert!(verify(1).await.is_ok());
        places.extend((SHARE..QUEUE).map(|n| passwords.logins.enter(network(n)).unwrap()));
        assert!(matches!(verify(200).await, Err(AccountsError::RateLimited(2))));
        drop(places);
        assert!(verify(0).await.is_ok());
        assert!(lock(&passwords.logins.places).by_network.is_empty());
    }

    #[tokio::test]
    async fn no_more_hashes_run_than_there_are_slots() {
        let passwords = Passwords::with_slots(2);
        let busy = Arc::clone(&passwords.slots).try_acquire_many_owned(2).unwrap();
        let waiting = passwords.verify(secret("x"), None, None);
        tokio::pin!(waiting);
        assert!(tokio::time::timeout(Duration::from_millis(50), &mut waiting).await.is_err());
        drop(busy);
        assert!(waiting.await.is_ok());
    }

    #[tokio::test]
    async fn a_login_waits_for_one_registration_at_most_however_many_there_are() {
        let passwords = Passwords::with_slots(1);
        let busy = acquire(&passwords.slots).await;
        let order = Mutex::new(Vec::new());
        let register = async || {
            passwords.hash("correct horse".parse().unwrap(), &Env::system(), None).await.unwrap();
            lock(&order).push("registration");
        };
        let login = async || {
            passwords.verify(secret("x"), None, None).await.unwrap();
            lock(&order).push("login");
        };
        let registrations = futures::future::join_all((0..4).map(|_| register()));
        // The registrations are polled first, so they wait already when the login comes.
        tokio::join!(biased; registrations, login(), async { drop(busy) });
        assert_eq!(lock(&order).iter().position(|who| *who == "login"), Some(1));
    }

    #[tokio::test]
    async fn hashes_share_the_memory_of_the_slots() {
        let passwords = Passwords::new();
        for password in ["one", "two", "three"] {
            passwords.verify(secret(password), None, None).await.unwrap();
        }
        let kept = passwords.memory.lock().unwrap();
        assert_eq!(kept.iter().map(Vec::len).collect::<Vec<_>>(), [19 * 1024], "in blocks of 1 KiB");
    }

    #[tokio::test]
    async fn a_hash_that_argon2s_own_code_made_is_read() {
        use argon2::{PasswordHasher, PasswordVerifier};
        let theirs: PasswordHash = Argon2::default().hash_password_with_salt(b"correct horse", &[1; 16]).unwrap();
        let passwords = Passwords::new();
        assert!(passwords.verify(secret("correct horse"), Some(theirs.to_string()), None).await.unwrap());
        let ours = passwords.hash("correct horse".parse().unwrap(), &Env::system(), None).await.unwrap();
        Argon2::default().verify_password(b"correct horse", ours.as_str()).unwrap();
    }

    #[test]
    fn a_password_has_8_to_128_characters() {
        for (length, good) in [(7, false), (8, true), (128, true), (129, false)] {
            assert_eq!("ü".repeat(length).parse::<NewPassword>().is_ok(), good, "{length}");
        }
    }
}
