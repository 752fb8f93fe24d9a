//! Waypost's database: SQLite or PostgreSQL behind one [`Store`].
//!
//! One file per aggregate. Finders take the tenant id and say `Ok(None)` for what is not there; the caller decides
//! what that means. Methods named `…_system` are for the gateway's own loops, which act for every tenant.

mod accounts;
mod api_keys;
mod error;
mod events;
mod keys;
mod messages;
mod page;
mod sessions;
mod writer;

use secrecy::SecretString;
use waypost_domain::Env;

pub use accounts::{NewAccount, RefreshToken, Rotation, StoredPassword};
pub use api_keys::{ApiKeyHash, NewApiKey};
pub use error::StoreError;
pub use keys::{KeyEntry, KeyKind, KeyStore};
pub use messages::{
    Evidence, EvidenceOutcome, InboundOutcome, MessageFilter, MessageRef, NewInbound, NewOutbound, OutboxMessage,
    StoredStatus,
};
pub use page::{Page, PageRequest};
pub use sessions::{NewSession, SessionChange};

/// Where the data is and how it is protected.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// `sqlite://path` or `postgres://…`.
    pub database_url: SecretString,
    /// 32 bytes under which Signal keys and other secrets are encrypted at rest.
    pub master_key: MasterKey,
    /// Connections for reading (SQLite) or in all (PostgreSQL).
    pub max_connections: u32,
}

/// The key of all keys: encrypts secrets at rest. Shown nowhere.
#[derive(Clone)]
pub struct MasterKey([u8; 32]);

impl MasterKey {
    /// Takes 32 bytes of key.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl Drop for MasterKey {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

/// The database. Clones share the connections and the writer.
#[derive(Clone, Debug)]
pub struct Store {}

impl Store {
    /// Opens the database, bringing its tables up to date first. Several processes may do so at once.
    pub async fn open(_config: &StoreConfig, _env: Env) -> Result<Self, StoreError> {
        unimplemented!()
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// Waits for what is being written and closes the connections.
    pub async fn close(&self) {
        unimplemented!()
    }
}
