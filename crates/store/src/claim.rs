//! The sole right to change a database, had before anything of it is changed.

use std::sync::Arc;

use sea_orm::DbBackend;

use crate::{
    DatabaseUrl, StoreError,
    database::{self, Connections},
    files::{FileError, OwnDatabase},
    hold::{Hold, Loss, Watched},
    probe::{self, ProbeError},
    sql::Sql,
    url::Place,
};

/// Why the database cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Its files are not ours.
    #[error(transparent)]
    Files(#[from] FileError),
    /// It is not there, or does not let us in.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// Another process has it.
    #[error(transparent)]
    InUse(#[from] Loss),
    /// Anything else.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A database that no other process changes while this lives. Nothing was written yet.
#[derive(Debug)]
pub struct Claim {
    pub(crate) connections: Connections,
    pub(crate) holding: Holding,
}

/// What keeps other processes out.
#[derive(Debug, Clone, Default)]
pub(crate) enum Holding {
    /// Nothing does.
    #[default]
    Nothing,
    /// A lock of the operating system, beside SQLite's file.
    File(#[expect(dead_code, reason = "it is a lock while it lives")] Arc<OwnDatabase>),
    /// A lock of PostgreSQL's.
    Session(Arc<Watched>),
}

impl Claim {
    /// Takes the database for this process. `connections` is for reading (SQLite) or in all (PostgreSQL).
    pub async fn take(url: &DatabaseUrl, connections: u32) -> Result<Self, ClaimError> {
        match &url.0 {
            Place::Sqlite(sqlite) => {
                let own = OwnDatabase::take(sqlite)?;
                let connections = database::connect_sqlite(&own.path, connections).await?;
                Ok(Self { connections, holding: Holding::File(own.into()) })
            }
            Place::Postgres(postgres) => {
                probe::postgres(postgres).await?;
                let hold = Hold::new();
                let connections = database::connect_postgres(postgres, connections, Some(&hold)).await?;
                if let Some(loss) = hold.loss() {
                    return Err(loss.into());
                }
                let pool = connections.write.get_postgres_connection_pool().clone();
                let watched = Watched::new(hold, pool, (**postgres).clone());
                Ok(Self { connections, holding: Holding::Session(watched.into()) })
            }
        }
    }

    /// Whether a master key has sealed secrets in it before.
    pub async fn is_sealed(&self) -> Result<bool, StoreError> {
        let sql = Sql(self.connections.read.clone());
        let table = match self.connections.read.get_database_backend() {
            DbBackend::Sqlite => "SELECT name FROM sqlite_master WHERE name = 'meta'",
            _ => "SELECT 1 WHERE to_regclass('meta') IS NOT NULL",
        };
        if sql.one(table, Vec::new()).await?.is_none() {
            return Ok(false);
        }
        let sealed = sql.one("SELECT name FROM meta WHERE name = $1", vec![crate::MASTER_KEY_CHECK.into()]).await?;
        Ok(sealed.is_some())
    }
}

impl Holding {
    /// Whether what is to be written may be.
    pub fn may_write(&self) -> bool {
        match self {
            Self::Nothing | Self::File(_) => true,
            Self::Session(watched) => watched.hold.is_held(),
        }
    }

    /// Waits until this process may never write again.
    pub async fn lost(&self) -> Loss {
        match self {
            Self::Nothing | Self::File(_) => std::future::pending().await,
            Self::Session(watched) => watched.hold.lost().await,
        }
    }
}
