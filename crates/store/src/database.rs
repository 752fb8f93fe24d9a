//! How the databases are opened.
//!
//! Durability first: SQLite runs with a write-ahead log and `synchronous=FULL` (`NORMAL` would lose the last commits
//! when the power goes), PostgreSQL with `synchronous_commit=on`. Each has a pool for readers and one connection for
//! the writer, which is the only one that changes anything.

use std::time::Duration;

use sea_orm::{ConnectOptions, Database, DatabaseConnection};
use secrecy::ExposeSecret;

use crate::{StoreConfig, StoreError};

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

/// Connects for writing and for reading.
pub(crate) async fn connect(config: &StoreConfig) -> Result<Connections, StoreError> {
    let url = config.database_url.expose_secret();
    if url.contains(":memory:") {
        return Err(StoreError::Other("a database in memory keeps no promise; name a file".to_owned()));
    }
    let postgres = url.starts_with("postgres:") || url.starts_with("postgresql:");
    if !postgres && !url.starts_with("sqlite:") {
        return Err(StoreError::Other("the database URL must start with sqlite:// or postgres://".to_owned()));
    }
    // On PostgreSQL the limit is for all connections: the writer has one of them, authentication has its own.
    let others = if postgres { 1 + AUTH_READERS } else { 0 };
    let readers = config.max_connections.saturating_sub(others).max(1);
    let write = Database::connect(options(url, Purpose::Write, 1)).await?;
    let read = Database::connect(options(url, Purpose::Read, readers)).await?;
    let auth = Database::connect(options(url, Purpose::Read, AUTH_READERS)).await?;
    Ok(Connections { read, auth, write, readers })
}

fn options(url: &str, purpose: Purpose, connections: u32) -> ConnectOptions {
    let (cache, statements, read_only) = match purpose {
        Purpose::Read => (READER_CACHE_KIB, READER_STATEMENTS, "on"),
        Purpose::Write => (WRITER_CACHE_KIB, WRITER_STATEMENTS, "off"),
    };
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .min_connections(1)
        .connect_timeout(PATIENCE)
        .acquire_timeout(PATIENCE)
        .test_before_acquire_if_idle_for(IDLE_PROBE)
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .map_sqlx_sqlite_opts(move |sqlite| {
            use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
            sqlite
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
        })
        .map_sqlx_postgres_opts(move |postgres| {
            postgres
                .application_name("waypost")
                .statement_cache_capacity(statements)
                .options([("synchronous_commit", "on"), ("default_transaction_read_only", read_only)])
        });
    options
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

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
        StoreConfig { database_url: SecretString::from(url), master_key: MasterKey::new([0; 32]), max_connections: 2 }
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
