//! Passwords: argon2id, off the async threads, with a bounded queue in front.
//!
//! One hash takes 19 MiB and some 30 ms of one core. A flood of logins may therefore neither fill the memory nor take
//! all blocking threads (the database needs them): [`SLOTS`] run at a time, [`QUEUE`] wait, the rest is told to come
//! back. The slots keep their memory: given back to the allocator after each hash, it stayed with the process in pieces,
//! one for each thread that ever hashed (seen: 700 MB after 400 logins at once).

use std::{
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};

use argon2::{
    Algorithm, Argon2, Block, Params, PasswordHash, Version,
    password_hash::phc::{Output, ParamsString, Salt},
};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use waypost_domain::Env;
use zeroize::Zeroizing;

use crate::GatewayError;

/// How many hashes run at a time.
const SLOTS: usize = 2;

/// How many may wait for a slot: about two seconds' work.
const QUEUE: usize = 128;

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
    places: Arc<Semaphore>,
    slots: Arc<Semaphore>,
    /// The memory of the slots that have run and are free now.
    memory: Arc<Mutex<Vec<Memory>>>,
}

type Memory = Vec<Block>;

impl Passwords {
    pub fn new() -> Self {
        Self {
            places: Arc::new(Semaphore::new(SLOTS + QUEUE)),
            slots: Arc::new(Semaphore::new(SLOTS)),
            memory: Arc::default(),
        }
    }

    /// The hash string of a new password. [`GatewayError::RateLimited`] when too many wait.
    pub async fn hash(&self, password: NewPassword, env: &Env) -> Result<String, GatewayError> {
        let salt: [u8; 16] = env.bytes();
        self.run(move |memory| new_hash(&password.0, &salt, memory)).await
    }

    /// Whether `password` belongs to `hash`; where there is no hash it never does, in the same time.
    /// [`GatewayError::RateLimited`] when too many wait.
    pub async fn verify(&self, password: Zeroizing<String>, hash: Option<String>) -> Result<bool, GatewayError> {
        self.run(move |memory| {
            let matches = matches(&password, hash.as_deref().unwrap_or(NOBODY), memory)?;
            Ok(matches && hash.is_some())
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> argon2::password_hash::Result<T> + Send + 'static,
    ) -> Result<T, GatewayError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| GatewayError::RateLimited(2))?;
        let slot = Arc::clone(&self.slots).acquire_owned().await.expect("the semaphore is never closed");
        let free = Arc::clone(&self.memory);
        // The permits go with the work: a caller who hangs up does not free a slot that is still at work.
        let task = tokio::task::spawn_blocking(move || {
            let _permits = (place, slot);
            let mut memory = free.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
            let done = work(&mut memory);
            free.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
            done
        });
        let done =
            task.await.map_err(|error| GatewayError::Internal(format!("the password hasher stopped: {error}")))?;
        done.map_err(|error| GatewayError::Internal(format!("a password was not hashed: {error}")))
    }
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

    fn secret(text: &str) -> Zeroizing<String> {
        Zeroizing::new(text.to_owned())
    }

    #[tokio::test]
    async fn a_password_belongs_to_its_own_hash_only() {
        let passwords = Passwords::new();
        let hash = passwords.hash("correct horse".parse().unwrap(), &Env::system()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.verify(secret("correct horse"), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify(secret("correct mouse"), Some(hash)).await.unwrap());
    }

    #[tokio::test]
    async fn without_a_user_the_same_work_is_done_and_no_password_fits() {
        let nobody = PasswordHash::new(NOBODY).unwrap();
        let somebody = Passwords::new().hash("correct horse".parse().unwrap(), &Env::system()).await.unwrap();
        let somebody = PasswordHash::new(&somebody).unwrap();
        assert_eq!(nobody.params, somebody.params);
        assert_eq!(nobody.hash.unwrap().as_bytes().len(), somebody.hash.unwrap().as_bytes().len());
        assert!(!Passwords::new().verify(secret("nobody"), None).await.unwrap());
    }

    #[tokio::test]
    async fn a_flood_of_logins_is_refused_beyond_the_queue() {
        let passwords = Passwords::new();
        let busy = Arc::clone(&passwords.places).try_acquire_many_owned(130).unwrap();
        assert!(matches!(passwords.verify(secret("x"), None).await, Err(GatewayError::RateLimited(2))));
        drop(busy);
        assert!(passwords.verify(secret("x"), None).await.is_ok());
    }

    #[tokio::test]
    async fn no_more_hashes_run_than_there_are_slots() {
        let passwords = Passwords::new();
        let busy = Arc::clone(&passwords.slots).try_acquire_many_owned(2).unwrap();
        let waiting = passwords.verify(secret("x"), None);
        tokio::pin!(waiting);
        assert!(tokio::time::timeout(Duration::from_millis(50), &mut waiting).await.is_err());
        drop(busy);
        assert!(waiting.await.is_ok());
    }

    #[tokio::test]
    async fn hashes_share_the_memory_of_the_slots() {
        let passwords = Passwords::new();
        for password in ["one", "two", "three"] {
            passwords.verify(secret(password), None).await.unwrap();
        }
        let kept = passwords.memory.lock().unwrap();
        assert_eq!(kept.iter().map(Vec::len).collect::<Vec<_>>(), [19 * 1024], "in blocks of 1 KiB");
    }

    #[tokio::test]
    async fn a_hash_that_argon2s_own_code_made_is_read() {
        use argon2::{PasswordHasher, PasswordVerifier};
        let theirs: PasswordHash = Argon2::default().hash_password_with_salt(b"correct horse", &[1; 16]).unwrap();
        let passwords = Passwords::new();
        assert!(passwords.verify(secret("correct horse"), Some(theirs.to_string())).await.unwrap());
        let ours = passwords.hash("correct horse".parse().unwrap(), &Env::system()).await.unwrap();
        Argon2::default().verify_password(b"correct horse", ours.as_str()).unwrap();
    }

    #[test]
    fn a_password_has_8_to_128_characters() {
        for (length, good) in [(7, false), (8, true), (128, true), (129, false)] {
            assert_eq!("ü".repeat(length).parse::<NewPassword>().is_ok(), good, "{length}");
        }
    }
}
