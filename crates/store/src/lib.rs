//! Waypost's database: SQLite or PostgreSQL behind one [`Store`].
//!
//! One file per aggregate. Finders take the tenant id and say `Ok(None)` for what is not there; the caller decides
//! what that means. Methods named `…_system` are for the gateway's own loops, which act for every tenant.

mod accounts;
mod api_keys;
mod cipher;
mod database;
mod error;
mod events;
mod keys;
mod messages;
mod migrations;
mod number_checks;
mod pacing;
mod page;
mod people;
mod sandbox_mailbox;
mod sessions;
mod settings;
mod sql;
mod writer;

use std::sync::Arc;

use sea_orm::DatabaseConnection;
use secrecy::SecretString;
use waypost_domain::Env;

use crate::{cipher::Cipher, sql::Sql, writer::Writer};

pub use accounts::{NewAccount, RefreshToken, Rotation, StoredPassword};
pub use api_keys::{ApiKeyHash, NewApiKey};
pub use error::StoreError;
pub use keys::{KeyEntry, KeyKind, KeyStore};
pub use messages::{
    AcceptOutcome, DueMessages, Evidence, EvidenceOutcome, ExpiredMessage, ExpiryTimes, InboundOutcome, MessageFilter,
    MessageRef, NewIdempotency, NewInbound, NewOutbound, OutboxMessage, PacedClaim, PacedClaimed, StoredStatus,
};
pub use number_checks::NumberCheck;
pub use pacing::{SessionSettings, Spent};
pub use page::{Page, PageRequest};
pub use people::Person;
pub use sandbox_mailbox::{SandboxMailboxChanges, SandboxOwed};
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
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    read: Sql<DatabaseConnection>,
    write: DatabaseConnection,
    writer: Writer,
    cipher: Cipher,
    env: Env,
}

impl Store {
    /// Opens the database, bringing its tables up to date first. Several processes may do so at once.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] in `meta` where the master key is not the one that the database was made with.
    pub async fn open(config: &StoreConfig, env: Env) -> Result<Self, StoreError> {
        let connections = database::connect(config).await?;
        migrations::run(&connections.write).await?;
        let cipher = Cipher::new(&config.master_key, env.clone());
        let writer = Writer::start(connections.write.clone(), env.clone());
        check_master_key(&writer, &cipher).await?;
        let inner = Inner { read: Sql(connections.read), write: connections.write, writer, cipher, env };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        Ok(self.inner.read.0.ping().await?)
    }

    /// Waits for what is being written and closes the connections. What comes later is answered
    /// [`StoreError::Unavailable`].
    pub async fn close(&self) {
        self.inner.writer.close().await;
        for connection in [&self.inner.read.0, &self.inner.write] {
            if let Err(error) = connection.close_by_ref().await {
                tracing::warn!(%error, "a database connection did not close cleanly");
            }
        }
    }

    /// Whether [`Self::close`] was called: nothing is written any more.
    pub fn is_closed(&self) -> bool {
        self.inner.writer.is_closed()
    }

    fn read(&self) -> &Sql<DatabaseConnection> {
        &self.inner.read
    }

    fn writer(&self) -> &Writer {
        &self.inner.writer
    }

    fn cipher(&self) -> &Cipher {
        &self.inner.cipher
    }

    fn env(&self) -> &Env {
        &self.inner.env
    }
}

/// The first process to open a database leaves a sealed value in it; whoever opens it later must be able to read that.
async fn check_master_key(writer: &Writer, cipher: &Cipher) -> Result<(), StoreError> {
    const NAME: &str = "master_key_check";
    let sealed = cipher.seal(NAME.as_bytes(), &[]);
    let stored: Vec<u8> = writer
        .change(sealed, |tx, sealed| {
            Box::pin(async move {
                let sql = "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
                tx.execute(sql, vec![NAME.into(), sealed.clone().into()]).await?;
                let row = tx.one("SELECT value FROM meta WHERE name = $1", vec![NAME.into()]).await?;
                row.ok_or_else(|| StoreError::Other("a row that was just written is not there".to_owned()))?
                    .get("meta", 0)
            })
        })
        .await?;
    cipher.open(NAME.as_bytes(), &stored).map(drop).map_err(|_| StoreError::Corrupt {
        table: "meta",
        why: "the master key is not the one that this database was made with".to_owned(),
    })
}
