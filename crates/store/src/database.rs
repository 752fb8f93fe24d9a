//! How the databases are opened.
//!
//! Durability first: SQLite runs with a write-ahead log and `synchronous=FULL` (`NORMAL` would lose the last commits
//! when the power goes), PostgreSQL with `synchronous_commit=on`. Each has a pool for readers and one connection for
//! the writer, which is the only one that changes anything.

use std::{path::Path, sync::Arc, time::Duration};

use sea_orm::{DatabaseConnection, SqlxPostgresConnector, SqlxSqliteConnector};
use sqlx::{
    ConnectOptions, Connection, PgConnection,
    pool::PoolOptions,
    postgres::PgPoolOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use crate::{
    StoreConfig, StoreError, files,
    hold::{self, Hold},
    url::{Place, Postgres},
};

/// How long a caller may wait for a free connection, and SQLite for another process's lock.
const PATIENCE: Duration = Duration::from_secs(5);
/// A connection that lay idle this long is tried before it is used.
const IDLE_PROBE: Duration = Duration::from_secs(2);
/// Pages of SQLite's cache a connection may hold, in KiB.
const READER_CACHE_KIB: u32 = 2 * 1024;
const WRITER_CACHE_KIB: u32 = 16 * 1024;
/// Pages in SQLite's log before they are moved into the database: 16 MiB.
const CHECKPOINT_PAGES: u32 = 4096;
/// Prepared statements a writing connection keeps: every bulk statement has one form for each power of two.
const WRITER_STATEMENTS: usize = 256;
const READER_STATEMENTS: usize = 64;

/// Readers that serve nothing but credentials and health: no list, however many run, keeps a caller from being let in.
const AUTH_READERS: u32 = 2;

/// The ways to the database.
#[derive(Debug, Clone)]
pub(crate) struct Connections {
    pub read: DatabaseConnection,
    pub auth: DatabaseConnection,
    pub write: DatabaseConnection,
    /// How many connections `read` has.
    pub readers: u32,
}

#[derive(Clone, Copy)]
enum Purpose {
    Read,
    Write,
}

/// Connects for writing and for reading, whoever else does.
pub(crate) async fn connect(config: &StoreConfig) -> Result<Connections, StoreError> {
    match &config.database_url.0 {
        Place::Sqlite(sqlite) => connect_sqlite(&sqlite.path, config.max_connections).await,
        Place::Postgres(postgres) => connect_postgres(postgres, config.max_connections, None).await,
    }
}

/// Connects to the database in this file, which is made if it is not there.
pub(crate) async fn connect_sqlite(path: &Path, readers: u32) -> Result<Connections, StoreError> {
    let pool = async |purpose, connections| {
        let pool = pool_options::<sqlx::Sqlite>(connections).connect_with(sqlite_options(path, purpose)).await;
        pool.map(SqlxSqliteConnector::from_sqlx_sqlite_pool).map_err(|error| StoreError::connecting(&error))
    };
    let readers = readers.max(1);
    Ok(Connections {
        write: pool(Purpose::Write, 1).await?,
        read: pool(Purpose::Read, readers).await?,
        auth: pool(Purpose::Read, AUTH_READERS).await?,
        readers,
    })
}

fn sqlite_options(path: &Path, purpose: Purpose) -> SqliteConnectOptions {
    let (cache, statements, read_only) = match purpose {
        Purpose::Read => (READER_CACHE_KIB, READER_STATEMENTS, "on"),
        Purpose::Write => (WRITER_CACHE_KIB, WRITER_STATEMENTS, "off"),
    };
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .busy_timeout(PATIENCE)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .statement_cache_capacity(statements)
        .pragma("cache_size", format!("-{cache}"))
        .pragma("query_only", read_only)
        // A bulk statement keeps a journal of its own, in case it fails half-way; it need not be a file.
        .pragma("temp_store", "MEMORY")
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES.to_string())
        .disable_statement_logging()
}

/// Connects to a PostgreSQL server with `connections` connections in all, of which the writer has one and authentication
/// its own. Each connection that the writer ever has takes the lock of `hold` first.
pub(crate) async fn connect_postgres(
    place: &Postgres,
    connections: u32,
    hold: Option<&Arc<Hold>>,
) -> Result<Connections, StoreError> {
    let readers = connections.saturating_sub(1 + AUTH_READERS).max(1);
    let write = postgres_pool(place, Purpose::Write, 1, hold.cloned()).await?;
    let read = postgres_pool(place, Purpose::Read, readers, None).await?;
    let auth = postgres_pool(place, Purpose::Read, AUTH_READERS, None).await?;
    Ok(Connections { read, auth, write, readers })
}

async fn postgres_pool(
    place: &Postgres,
    purpose: Purpose,
    connections: u32,
    hold: Option<Arc<Hold>>,
) -> Result<DatabaseConnection, StoreError> {
    let (statements, read_only) = match purpose {
        Purpose::Read => (READER_STATEMENTS, "on"),
        Purpose::Write => (WRITER_STATEMENTS, "off"),
    };
    let mut pool: PgPoolOptions = pool_options(connections);
    if hold.is_some() {
        // A connection that holds the lock is not given up for its age.
        pool = pool.max_lifetime(None).idle_timeout(None);
    }
    let asked = place.clone();
    let pool = pool.after_connect(move |connection, _| {
        let (asked, hold) = (asked.clone(), hold.clone());
        Box::pin(async move {
            let mut ours = vec![("synchronous_commit", "on"), ("default_transaction_read_only", read_only)];
            ours.extend(hold.iter().flat_map(|_| hold::settings()));
            set(connection, &asked, &ours).await?;
            match hold {
                Some(hold) => hold.take(connection).await,
                None => Ok(()),
            }
        })
    });
    let options = named(place).statement_cache_capacity(statements);
    let pool = pool.connect_with(options).await.map_err(|error| StoreError::connecting(&error))?;
    Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool))
}

/// A connection of no pool, with no setting.
pub(crate) async fn plain(place: &Postgres) -> Result<PgConnection, sqlx::Error> {
    named(place).statement_cache_capacity(0).connect().await
}

/// Says to the server who we are, so that an operator finds whoever holds the database.
fn named(place: &Postgres) -> sqlx::postgres::PgConnectOptions {
    let options = place.options.clone();
    if options.get_application_name().is_some() {
        return options;
    }
    options.application_name(&format!("waypost, {}", files::this_process()))
}

/// Sets what the URL asks for and then `ours`, for the session. As statements: a pooler refuses settings in the first
/// packet of a connection.
pub(crate) async fn set(
    connection: &mut PgConnection,
    place: &Postgres,
    ours: &[(&str, &str)],
) -> Result<(), sqlx::Error> {
    let search_path = place.search_path();
    let asked = place.session.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let schemas = search_path.iter().map(|schemas| ("search_path", schemas.as_str()));
    for (name, value) in asked.chain(schemas).chain(ours.iter().copied()) {
        let set = sqlx::query("SELECT set_config($1, $2, false)").bind(name).bind(value);
        set.execute(&mut *connection).await?;
    }
    Ok(())
}

fn pool_options<DB: sqlx::Database>(connections: u32) -> PoolOptions<DB> {
    PoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(PATIENCE)
        .test_before_acquire(false)
        .before_acquire(|connection: &mut DB::Connection, lay| {
            Box::pin(async move {
                if lay.idle_for >= IDLE_PROBE {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MasterKey, sql::Sql};

    async fn settings<T: sea_orm::TryGetable>(connection: &DatabaseConnection, ask: &str, names: &[&str]) -> Vec<T> {
        let sql = Sql(connection.clone());
        let mut values = Vec::new();
        for name in names {
            let row = sql.one(format!("{ask} {name}"), Vec::new()).await.unwrap().unwrap();
            values.push(row.get("settings", 0).unwrap());
        }
        values
    }

    fn config(url: String) -> StoreConfig {
        StoreConfig { database_url: url.parse().unwrap(), master_key: MasterKey::new([0; 32]), max_connections: 2 }
    }

    #[tokio::test]
    async fn sqlite_commits_reach_the_disk_and_readers_cannot_write() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("waypost.db").display());
        let connections = connect(&config(url)).await.unwrap();
        let names = ["synchronous", "foreign_keys", "busy_timeout", "query_only"];
        // 2 is FULL (https://www.sqlite.org/pragma.html#pragma_synchronous).
        assert_eq!(settings::<i64>(&connections.write, "PRAGMA", &names).await, [2, 1, 5000, 0]);
        assert_eq!(settings::<i64>(&connections.read, "PRAGMA", &names).await, [2, 1, 5000, 1]);
        assert_eq!(settings::<String>(&connections.write, "PRAGMA", &["journal_mode"]).await, ["wal"]);
    }

    #[tokio::test]
    async fn postgres_commits_reach_the_disk_and_readers_cannot_write() {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/test-postgres.sh");
        let output = std::process::Command::new(script).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let connections = connect(&config(String::from_utf8(output.stdout).unwrap().trim().to_owned())).await.unwrap();
        let names = ["synchronous_commit", "default_transaction_read_only"];
        assert_eq!(settings::<String>(&connections.write, "SHOW", &names).await, ["on", "off"]);
        assert_eq!(settings::<String>(&connections.read, "SHOW", &names).await, ["on", "on"]);
    }
}
