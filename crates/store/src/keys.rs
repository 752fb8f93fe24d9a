//! The encrypted key store: credentials and Signal state of linked sessions.
//!
//! A [`KeyStore`] belongs to one session and holds small values by kind and name. Values are encrypted under the
//! master key (XChaCha20-Poly1305, a fresh random nonce each, the session, kind and name as associated data), so that a
//! value cannot be read from a copied file nor moved to another row. Every write returns after its commit, which it
//! shares with whatever else waits to be written (the group-commit writer).

use waypost_domain::SessionId;

use crate::{Store, StoreError};

/// What a value is. The numbers are in the database: never reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(i16)]
pub enum KeyKind {
    /// The device itself: identity keys, registration, account.
    Device = 1,
    /// A Signal session with one device.
    Session = 2,
    /// A device's identity key.
    Identity = 3,
    /// A one-time prekey; the tag says whether it was uploaded.
    PreKey = 4,
    /// A signed prekey.
    SignedPreKey = 5,
    /// A group's sender key.
    SenderKey = 6,
    /// An app-state sync key.
    SyncKey = 7,
    /// An app-state collection's version.
    SyncVersion = 8,
    /// An app-state mutation's MAC.
    MutationMac = 9,
    /// A mapping of number and LID.
    LidMapping = 10,
    /// A person's device list.
    DeviceList = 11,
    /// A trusted-contact token.
    TcToken = 12,
    /// Which devices have a group's sender key.
    SenderKeyDevice = 13,
    /// A session's base key, to tell a retry's new session from its old one.
    BaseKey = 14,
    /// A sent message, kept to answer retry receipts; the tag is the time in seconds.
    SentMessage = 15,
    /// An inbound message that is acknowledged only after it was handed on.
    PendingInbound = 16,
    /// A message's secret, for polls and edits; the tag is its expiry.
    MessageSecret = 17,
    /// Anything small and single: counters, flags.
    Misc = 18,
}

/// A value with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyEntry {
    /// Its name within its kind. Names are not encrypted: put no secret in one.
    pub name: String,
    /// The value.
    pub value: Vec<u8>,
    /// A number that can be asked for without decrypting: a flag or a time in seconds, as the kind says.
    pub tag: i64,
}

/// The key store of one session.
#[derive(Clone, Debug)]
pub struct KeyStore {
    _store: Store,
    _session: SessionId,
}

impl Store {
    /// The key store of one session.
    pub fn keys(&self, session: SessionId) -> KeyStore {
        KeyStore { _store: self.clone(), _session: session }
    }
}

impl KeyStore {
    /// One value.
    pub async fn get(&self, _kind: KeyKind, _name: &str) -> Result<Option<KeyEntry>, StoreError> {
        unimplemented!()
    }

    /// The values with these names, in any order; missing ones are left out.
    pub async fn get_many(&self, _kind: KeyKind, _names: &[String]) -> Result<Vec<KeyEntry>, StoreError> {
        unimplemented!()
    }

    /// All values of a kind whose names start with `prefix` (all for ""), sorted by name.
    pub async fn list(&self, _kind: KeyKind, _prefix: &str) -> Result<Vec<KeyEntry>, StoreError> {
        unimplemented!()
    }

    /// Whether a value is there, without decrypting it.
    pub async fn contains(&self, _kind: KeyKind, _name: &str) -> Result<bool, StoreError> {
        unimplemented!()
    }

    /// The greatest name of a kind by byte order, without decrypting: names of numbers are padded with zeros.
    pub async fn max_name(&self, _kind: KeyKind) -> Result<Option<String>, StoreError> {
        unimplemented!()
    }

    /// Writes values of one kind, in one commit, replacing what has the same name.
    pub async fn put_many(&self, _kind: KeyKind, _entries: Vec<KeyEntry>) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// Sets the tag of values that are there; those that are not stay absent.
    pub async fn set_tags(&self, _kind: KeyKind, _names: Vec<String>, _tag: i64) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// Deletes values; absent ones are no error.
    pub async fn delete_many(&self, _kind: KeyKind, _names: Vec<String>) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// Deletes a value and returns it: of two callers one gets it.
    pub async fn take(&self, _kind: KeyKind, _name: &str) -> Result<Option<KeyEntry>, StoreError> {
        unimplemented!()
    }

    /// Deletes all values of a kind whose names start with `prefix`. Returns how many went.
    pub async fn delete_prefix(&self, _kind: KeyKind, _prefix: &str) -> Result<u64, StoreError> {
        unimplemented!()
    }

    /// Deletes all values of a kind whose tag is below `tag` and above 0. Returns how many went.
    pub async fn delete_tagged_below(&self, _kind: KeyKind, _tag: i64) -> Result<u64, StoreError> {
        unimplemented!()
    }

    /// Deletes everything the session has.
    pub async fn clear(&self) -> Result<(), StoreError> {
        unimplemented!()
    }
}
