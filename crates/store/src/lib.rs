//! Waypost's database: SQLite or PostgreSQL behind one [`Store`].
//!
//! One file per aggregate. Finders take the tenant id and say `Ok(None)` for what is not there; the caller decides
//! what that means. Methods named `…_system` are for the gateway's own loops, which act for every tenant.

mod accounts;
mod api_keys;
mod cipher;
mod claim;
mod database;
mod error;
mod events;
pub mod files;
mod hold;
mod keys;
mod messages;
mod metrics;
mod migrations;
mod number_checks;
mod pacing;
mod page;
mod people;
mod probe;
mod sandbox_mailbox;
mod sessions;
mod settings;
mod sql;
mod turns;
mod url;
mod writer;

use std::{path::PathBuf, sync::Arc, time::Duration};

use prometheus_client::registry::Registry;
use sea_orm::{DatabaseConnection, DbBackend};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};
use waypost_domain::Env;

use crate::{cipher::Cipher, claim::Holding, database::Connections, sql::Sql, writer::Writer};

pub use accounts::{AccountOutcome, NewAccount, RefreshToken, Rotation, StoredPassword};
pub use api_keys::{ApiKeyHash, NewApiKey};
pub use claim::{Claim, ClaimError};
pub use error::StoreError;
pub use hold::Loss;
pub use keys::{KeyEntry, KeyKind, KeyStore};
pub use messages::{
    AcceptOutcome, Claimed, DueMessages, Evidence, EvidenceOutcome, ExpiredMessage, ExpiryTimes, InboundOutcome,
    MessageFilter, MessageRef, NewIdempotency, NewInbound, NewOutbound, OldestQueued, OutboxMessage, PacedClaim,
    PacedClaimed, StoredStatus,
};
pub use pacing::{SessionSettings, Spent};
pub use page::{Cursor, Page, PageRequest, REACH};
pub use people::Person;
pub use probe::ProbeError;
pub use sandbox_mailbox::{SandboxMailboxChanges, SandboxOwed};
pub use sessions::{NewSession, SessionChange};
pub use turns::{NoTurn, Turn};
pub use url::{DatabaseUrl, UrlError};

/// How long a list waits for a reader.
const LIST_PATIENCE: Duration = Duration::from_secs(5);

/// Where the data is and how it is protected.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// Where it is.
    pub database_url: DatabaseUrl,
    /// 32 bytes under which Signal keys and other secrets are encrypted at rest.
    pub master_key: MasterKey,
    /// Connections for reading (SQLite), or in all (PostgreSQL, where fewer than four count as four). Authentication on
    /// SQLite has two of its own beside them.
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
    /// For credentials and health alone.
    auth: Sql<DatabaseConnection>,
    /// Half the readers: what lists may hold at a time.
    lists: Semaphore,
    turns: turns::Turns,
    write: DatabaseConnection,
    writer: Writer,
    cipher: Cipher,
    env: Env,
    holding: Holding,
}

impl Store {
    /// Opens the database, bringing its tables up to date first. Several processes may do so at once; one that is to
    /// act on what it reads has a [`Claim`] first.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] in `meta` if the master key is not the one that the database was made with.
    pub async fn open(config: &StoreConfig, env: Env) -> Result<Self, StoreError> {
        let connections = database::connect(config).await?;
        Self::start(connections, Holding::default(), &config.master_key, env).await
    }

    /// Opens a database that this process has for itself.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_claimed(claim: Claim, master_key: &MasterKey, env: Env) -> Result<Self, StoreError> {
        Self::start(claim.connections, claim.holding, master_key, env).await
    }

    async fn start(
        connections: Connections,
        holding: Holding,
        master_key: &MasterKey,
        env: Env,
    ) -> Result<Self, StoreError> {
        if !holding.may_write() {
            return Err(StoreError::not_ours());
        }
        migrations::run(&connections.write).await?;
        let cipher = Cipher::new(master_key, env.clone());
        let writer = Writer::start(connections.write.clone(), env.clone(), holding.clone());
        check_master_key(&writer, &cipher).await?;
        let lists = Semaphore::new((connections.readers as usize).div_ceil(2));
        let inner = Inner {
            read: Sql(connections.read),
            auth: Sql(connections.auth),
            lists,
            turns: turns::Turns::default(),
            write: connections.write,
            writer,
            cipher,
            env,
            holding,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Waits until another process has the database. From then on nothing that is written here is kept; the process is
    /// to stop. Never ends for a store without a [`Claim`], nor on SQLite, whose lock cannot be lost.
    pub async fn lost(&self) -> Loss {
        self.inner.holding.lost().await
    }

    /// Whether the database answers a reader.
    pub async fn ping(&self) -> Result<(), StoreError> {
        Ok(self.inner.auth.0.ping().await?)
    }

    /// Whether the writer commits: it did within the time that is given, or commits a row now.
    pub async fn prove_writer(&self, lately: Duration) -> Result<(), StoreError> {
        if self.writer().committed_within(lately) {
            return Ok(());
        }
        let now = self.env().now().as_millis().to_be_bytes().to_vec();
        self.writer()
            .change(now, |tx, now| {
                Box::pin(async move {
                    let sql = "INSERT INTO meta (name, value) VALUES ('proof_of_life', $1)
                               ON CONFLICT (name) DO UPDATE SET value = excluded.value";
                    tx.execute(sql, vec![now.clone().into()]).await.map(drop)
                })
            })
            .await
    }

    /// Registers what the store counts.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.writer().metrics().register(registry);
    }

    /// How many writes wait in the writer's queue.
    pub fn waiting_writes(&self) -> usize {
        self.writer().waiting()
    }

    /// Whether what is to be written waits for a place in the writer's queue.
    pub fn writes_wait_for_a_place(&self) -> bool {
        self.writer().is_full()
    }

    /// The file of a SQLite database.
    pub async fn file(&self) -> Result<Option<PathBuf>, StoreError> {
        if self.inner.write.get_database_backend() != DbBackend::Sqlite {
            return Ok(None);
        }
        let row = self.read().one("PRAGMA database_list", Vec::new()).await?;
        let file: Option<String> = row.map(|row| row.get("database_list", 2)).transpose()?;
        Ok(file.map(PathBuf::from))
    }

    /// Waits for what is being written and closes the connections. What comes later is answered
    /// [`StoreError::Unavailable`].
    pub async fn close(&self) {
        self.inner.writer.close().await;
        for connection in [&self.inner.read.0, &self.inner.auth.0, &self.inner.write] {
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

    fn auth_read(&self) -> &Sql<DatabaseConnection> {
        &self.inner.auth
    }

    /// Waits for one of the readers that lists may hold.
    async fn list_turn(&self) -> Result<SemaphorePermit<'_>, StoreError> {
        let turn = timeout(LIST_PATIENCE, self.inner.lists.acquire()).await;
        let busy = || StoreError::Unavailable("the readers for lists are all busy".to_owned());
        turn.map_err(|_| busy())?.map_err(|_| StoreError::closed())
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

/// The name of the sealed value in `meta`.
const MASTER_KEY_CHECK: &str = "master_key_check";

/// The first process to open a database leaves a sealed value in it; whoever opens it later must be able to read that.
async fn check_master_key(writer: &Writer, cipher: &Cipher) -> Result<(), StoreError> {
    const NAME: &str = MASTER_KEY_CHECK;
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
