//! The encrypted key store: credentials and Signal state of linked sessions.
//!
//! A [`KeyStore`] belongs to one session and holds small values by kind and name. Values are encrypted under the
//! master key (XChaCha20-Poly1305, a fresh random nonce each, the session, kind and name as associated data), so that a
//! value cannot be read from a copied file nor moved to another row. Every write returns after its commit, which it
//! shares with whatever else waits to be written (the group-commit writer).

mod write;

use sea_orm::Value;
use waypost_domain::SessionId;

pub(crate) use write::{KeyWrite, write};

use crate::{
    Store, StoreError,
    cipher::Cipher,
    sql::{self, Row},
    writer::{Request, Tx},
};

const TABLE: &str = "signal_keys";

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

/// A value with its name. Shows no value: most are private keys.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyEntry {
    /// Its name within its kind. Names are not encrypted: put no secret in one.
    pub name: String,
    /// The value.
    pub value: Vec<u8>,
    /// A number that can be asked for without decrypting: a flag or a time in seconds, as the kind says.
    pub tag: i64,
}

impl std::fmt::Debug for KeyEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyEntry").field("name", &self.name).field("tag", &self.tag).finish_non_exhaustive()
    }
}

/// The key store of one session.
#[derive(Clone, Debug)]
pub struct KeyStore {
    store: Store,
    session: SessionId,
}

impl Store {
    /// The key store of one session.
    pub fn keys(&self, session: SessionId) -> KeyStore {
        KeyStore { store: self.clone(), session }
    }
}

impl KeyStore {
    /// One value.
    pub async fn get(&self, kind: KeyKind, name: &str) -> Result<Option<KeyEntry>, StoreError> {
        let sql = "SELECT name, value, tag FROM signal_keys WHERE session_id = $1 AND kind = $2 AND name = $3";
        let row = self.store.read().one(sql, self.values(kind, [name.into()])).await?;
        row.map(|row| self.open(kind, &row)).transpose()
    }

    /// The values with these names, in any order; missing ones are left out.
    pub async fn get_many(&self, kind: KeyKind, names: &[String]) -> Result<Vec<KeyEntry>, StoreError> {
        let mut entries = Vec::with_capacity(names.len());
        for chunk in sql::chunks(names) {
            let sql = format!(
                "SELECT name, value, tag FROM signal_keys WHERE session_id = $1 AND kind = $2 AND name IN ({})",
                sql::list(3, chunk.len())
            );
            let values = self.values(kind, chunk.iter().map(Value::from));
            for row in self.store.read().all(sql, values).await? {
                entries.push(self.open(kind, &row)?);
            }
        }
        Ok(entries)
    }

    /// All values of a kind whose names start with `prefix` (all for ""), sorted by name.
    pub async fn list(&self, kind: KeyKind, prefix: &str) -> Result<Vec<KeyEntry>, StoreError> {
        let (range, bounds) = prefix_range(prefix);
        let sql = format!(
            "SELECT name, value, tag FROM signal_keys WHERE session_id = $1 AND kind = $2 {range} ORDER BY name"
        );
        let rows = self.store.read().all(sql, self.values(kind, bounds)).await?;
        rows.iter().map(|row| self.open(kind, row)).collect()
    }

    /// Whether a value is there, without decrypting it.
    pub async fn contains(&self, kind: KeyKind, name: &str) -> Result<bool, StoreError> {
        let sql = "SELECT tag FROM signal_keys WHERE session_id = $1 AND kind = $2 AND name = $3";
        Ok(self.store.read().one(sql, self.values(kind, [name.into()])).await?.is_some())
    }

    /// The greatest name of a kind by byte order, without decrypting: names of numbers are padded with zeros.
    pub async fn max_name(&self, kind: KeyKind) -> Result<Option<String>, StoreError> {
        let sql = "SELECT name FROM signal_keys WHERE session_id = $1 AND kind = $2 ORDER BY name DESC LIMIT 1";
        let row = self.store.read().one(sql, self.values(kind, [])).await?;
        row.map(|row| row.get(TABLE, 0)).transpose()
    }

    /// Writes values of one kind, in one commit, replacing what has the same name.
    pub async fn put_many(&self, kind: KeyKind, entries: Vec<KeyEntry>) -> Result<(), StoreError> {
        let cipher = self.store.cipher();
        let write = |entry: KeyEntry| {
            let sealed = cipher.seal(&place(self.session, kind, &entry.name), &entry.value);
            KeyWrite::put(self.session, kind, entry.name, sealed, entry.tag)
        };
        self.write(entries.into_iter().map(write).collect()).await
    }

    /// Sets the tag of values that are there; those that are not stay absent.
    pub async fn set_tags(&self, kind: KeyKind, names: Vec<String>, tag: i64) -> Result<(), StoreError> {
        self.write(names.into_iter().map(|name| KeyWrite::tag(self.session, kind, name, tag)).collect()).await
    }

    /// Deletes values; absent ones are no error.
    pub async fn delete_many(&self, kind: KeyKind, names: Vec<String>) -> Result<(), StoreError> {
        self.write(names.into_iter().map(|name| KeyWrite::delete(self.session, kind, name)).collect()).await
    }

    /// Deletes all values of a kind whose names start with `prefix`. Returns how many went.
    pub async fn delete_prefix(&self, kind: KeyKind, prefix: &str) -> Result<u64, StoreError> {
        let (range, bounds) = prefix_range(prefix);
        let sql = format!("DELETE FROM signal_keys WHERE session_id = $1 AND kind = $2 {range}");
        self.execute(sql, self.values(kind, bounds)).await
    }

    /// Deletes all values of a kind whose tag is below `tag` and above 0. Returns how many went.
    pub async fn delete_tagged_below(&self, kind: KeyKind, tag: i64) -> Result<u64, StoreError> {
        let sql = "DELETE FROM signal_keys WHERE session_id = $1 AND kind = $2 AND tag > 0 AND tag < $3";
        self.execute(sql.to_owned(), self.values(kind, [tag.into()])).await
    }

    /// Deletes everything the session has.
    pub async fn clear(&self) -> Result<(), StoreError> {
        let session = self.session;
        self.store.writer().change(session, |tx, session| Box::pin(clear(tx, *session))).await
    }

    fn open(&self, kind: KeyKind, row: &Row) -> Result<KeyEntry, StoreError> {
        Sealed::read(row)?.open(self.store.cipher(), self.session, kind)
    }

    async fn write(&self, writes: Vec<KeyWrite>) -> Result<(), StoreError> {
        if writes.is_empty() {
            return Ok(());
        }
        self.store.writer().submit(writes, Request::Keys).await
    }

    async fn execute(&self, sql: String, values: Vec<Value>) -> Result<u64, StoreError> {
        self.store
            .writer()
            .change((sql, values), |tx, (sql, values)| Box::pin(tx.execute(sql.clone(), values.clone())))
            .await
    }

    /// The parameters of a statement about this session and `kind`, and those that follow.
    fn values(&self, kind: KeyKind, rest: impl IntoIterator<Item = Value>) -> Vec<Value> {
        let mut values = vec![self.session.as_uuid().into(), kind.number().into()];
        values.extend(rest);
        values
    }
}

impl KeyKind {
    const fn number(self) -> i64 {
        self as i64
    }
}

/// Deletes everything a session has.
pub(crate) async fn clear(tx: &Tx, session: SessionId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM signal_keys WHERE session_id = $1", vec![session.as_uuid().into()]).await?;
    Ok(())
}

/// Where a value belongs: what its encryption is bound to.
fn place(session: SessionId, kind: KeyKind, name: &str) -> Vec<u8> {
    [session.as_uuid().as_bytes().as_slice(), &kind.number().to_be_bytes(), name.as_bytes()].concat()
}

/// A value as it stands in its row.
struct Sealed {
    name: String,
    value: Vec<u8>,
    tag: i64,
}

impl Sealed {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { name: row.get(TABLE, 0)?, value: row.get(TABLE, 1)?, tag: row.get(TABLE, 2)? })
    }

    fn open(self, cipher: &Cipher, session: SessionId, kind: KeyKind) -> Result<KeyEntry, StoreError> {
        let value = cipher
            .open(&place(session, kind, &self.name), &self.value)
            .map_err(|why| StoreError::Corrupt { table: TABLE, why: why.to_owned() })?;
        Ok(KeyEntry { name: self.name, value, tag: self.tag })
    }
}

/// The names that start with `prefix`, as a condition with parameters from `$3`. Names compare by their bytes, which
/// in UTF-8 is the order of their characters.
fn prefix_range(prefix: &str) -> (&'static str, Vec<Value>) {
    match (prefix.is_empty(), behind(prefix)) {
        (true, _) => ("", vec![]),
        (false, Some(end)) => ("AND name >= $3 AND name < $4", vec![prefix.into(), end.into()]),
        (false, None) => ("AND name >= $3", vec![prefix.into()]),
    }
}

/// The first text behind all that start with `prefix`; none where nothing can stand behind them.
fn behind(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        if let Some(next) = (last..=char::MAX).nth(1) {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_prefix_has_its_names_before_its_end_and_the_others_outside(
            prefix in "[ab\u{D7FF}\u{10FFFF}]{1,3}",
            name in "[ab\u{D7FF}\u{E000}\u{10FFFF}]{0,5}",
        ) {
            let inside = name >= prefix && behind(&prefix).is_none_or(|end| name < end);
            prop_assert_eq!(inside, name.starts_with(&prefix));
        }
    }
}
