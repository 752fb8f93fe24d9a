//! What whatsapp-rust keeps between two starts, in Waypost's encrypted key store.
//!
//! One file for each of the client's storage traits; together they are its `Backend`. The promises, and who keeps them:
//!
//! - **A write that returned is on disk.** Every method awaits the commit of the key store's group-commit writer, so
//!   the client's synchronous points (a session or sender key at the edge of its counter lease, a prekey before its
//!   upload, a pending inbound message before its decryption counts) hold even against power loss (docs/protocol.md,
//!   "Storage").
//! - **A failure is loud.** A write that did not reach the disk is an error, and the client aborts the send.
//! - **A deletion stays.** Nothing is written behind the client's back, marking a prekey as uploaded never inserts it,
//!   and a backend whose client has ended is [sealed](SessionBackend::seal): what its stray tasks still want to write
//!   is refused, so that a `forget` is not undone.
//!
//! Names in the key store are not encrypted. They hold addresses and message ids, never a key or a text. Numbers are
//! padded with zeros, so that the order of names is the order of numbers.

mod app_sync;
mod device;
mod msg_secret;
mod protocol;
mod signal;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;
use wacore::store::error::{Result, StoreError};
use waypost_domain::Env;
use waypost_store::{KeyEntry, KeyKind, KeyStore};

use crate::{lines::Lines, ratchet::Ratchet, recovery::Recovery};

/// The longest part of a name that is kept as it is. Ids come from other people's clients and may be of any length;
/// a longer one is replaced by its hash, so that it fits the database's index.
const MAX_NAME_PART: usize = 128;

/// The storage of one client: one session, from one connect to the next.
pub(crate) struct SessionBackend {
    keys: KeyStore,
    env: Env,
    /// Held over a read and the write that depends on it. One session has one client, so this is enough.
    merging: Mutex<()>,
    sealed: AtomicBool,
    ratchet: Arc<Ratchet>,
    lines: Arc<Lines>,
    /// Once there is a client.
    recovery: OnceLock<Recovery>,
}

impl SessionBackend {
    /// The storage of the session that `keys` belongs to, which connects by `lines`.
    pub(crate) fn new(keys: KeyStore, env: Env, lines: Arc<Lines>) -> Self {
        Self {
            keys,
            env,
            merging: Mutex::new(()),
            sealed: AtomicBool::new(false),
            ratchet: Arc::default(),
            lines,
            recovery: OnceLock::new(),
        }
    }

    /// What is told when a message was read.
    pub(crate) fn ratchet(&self) -> &Arc<Ratchet> {
        &self.ratchet
    }

    /// Who asks for messages that were read and not stored.
    pub(crate) fn recover_by(&self, recovery: Recovery) {
        // One client has one backend: there is no second.
        let _ = self.recovery.set(recovery);
    }

    /// Refuses every write from now on.
    pub(crate) fn seal(&self) {
        self.sealed.store(true, Ordering::Release);
    }

    /// A failure of the database. The client may take it for a fault of the message that it has in hand.
    fn failed(&self, error: waypost_store::StoreError) -> StoreError {
        self.lines.spoil();
        database(error)
    }

    fn now_secs(&self) -> i64 {
        self.env.now().as_millis().div_euclid(1000)
    }

    fn check_open(&self) -> Result<()> {
        if self.sealed.load(Ordering::Acquire) {
            return Err(StoreError::Validation("the session's link is closed".to_owned()));
        }
        Ok(())
    }

    async fn entry(&self, kind: KeyKind, name: &str) -> Result<Option<KeyEntry>> {
        self.keys.get(kind, name).await.map_err(|error| self.failed(error))
    }

    async fn value(&self, kind: KeyKind, name: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.entry(kind, name).await?.map(|entry| entry.value))
    }

    async fn list(&self, kind: KeyKind, prefix: &str) -> Result<Vec<KeyEntry>> {
        self.keys.list(kind, prefix).await.map_err(|error| self.failed(error))
    }

    async fn put(&self, kind: KeyKind, name: String, value: Vec<u8>) -> Result<()> {
        self.put_many(kind, vec![KeyEntry { name, value, tag: 0 }]).await
    }

    async fn put_many(&self, kind: KeyKind, entries: Vec<KeyEntry>) -> Result<()> {
        self.check_open()?;
        if entries.is_empty() {
            return Ok(());
        }
        self.keys.put_many(kind, last_of_each(entries)).await.map_err(|error| self.failed(error))
    }

    async fn delete(&self, kind: KeyKind, name: &str) -> Result<()> {
        self.delete_many(kind, vec![name.to_owned()]).await
    }

    async fn delete_many(&self, kind: KeyKind, names: Vec<String>) -> Result<()> {
        self.check_open()?;
        if names.is_empty() {
            return Ok(());
        }
        self.keys.delete_many(kind, names).await.map_err(|error| self.failed(error))
    }

    async fn delete_prefix(&self, kind: KeyKind, prefix: &str) -> Result<()> {
        self.check_open()?;
        self.keys.delete_prefix(kind, prefix).await.map_err(|error| self.failed(error)).map(drop)
    }

    /// Deletes what carries a time (or expiry) above 0 and below `cutoff`, in seconds.
    async fn sweep(&self, kind: KeyKind, cutoff: i64) -> Result<u32> {
        self.check_open()?;
        let gone = self.keys.delete_tagged_below(kind, cutoff).await.map_err(|error| self.failed(error))?;
        Ok(u32::try_from(gone).unwrap_or(u32::MAX))
    }
}

/// One row cannot be written twice in one statement: of entries with the same name the last counts.
fn last_of_each(entries: Vec<KeyEntry>) -> Vec<KeyEntry> {
    if entries.len() < 2 {
        return entries;
    }
    let by_name: BTreeMap<String, KeyEntry> = entries.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
    by_name.into_values().collect()
}

fn database(error: waypost_store::StoreError) -> StoreError {
    StoreError::Database(Box::new(error))
}

/// A name of several parts. None but the last may contain a slash of its own: addresses do not.
fn name(parts: &[&str]) -> String {
    let mut name = String::with_capacity(parts.iter().map(|part| part.len() + 1).sum());
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            name.push('/');
        }
        if part.len() <= MAX_NAME_PART {
            name.push_str(part);
        } else {
            name.push('#');
            push_hex(&mut name, &Sha256::digest(part.as_bytes()));
        }
    }
    name
}

/// A name that sorts as the number does.
fn number(id: u32) -> String {
    format!("{id:010}")
}

fn parse_number(name: &str) -> Result<u32> {
    name.parse().map_err(|_| StoreError::Validation("a key's name is not a number".to_owned()))
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    push_hex(&mut text, bytes);
    text
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
}

fn to_json<T: serde::Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| StoreError::Serialization(Box::new(error)))
}

fn from_json<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| StoreError::Serialization(Box::new(error)))
}
