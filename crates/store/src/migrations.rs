//! The tables, brought up to date when the store is opened: one file a migration, one text for both databases.
//!
//! Migrations only add first and remove later, and are never edited once released. Types that both databases know are
//! written as they are (`UUID`, `BYTEA`, `BIGINT`, `TEXT`, `BOOLEAN`); what differs is a word in braces (see
//! [`for_backend`]).

mod m0001_first;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, SqliteTransactionMode, Statement,
    TransactionOptions, TransactionTrait,
};
use sea_orm_migration::{MigrationTrait, MigratorTrait, SchemaManager};

use crate::StoreError;

/// "waypost" in the numbers of a telephone: names the lock among those of other programs in the same database.
const ADVISORY_LOCK: i64 = 9_297_678;

/// The first migration of databases from before the first release.
const BEFORE_THE_FIRST_RELEASE: &str = "m0001_accounts_sessions_messages";

struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(m0001_first::Migration)]
    }
}

/// Applies what is missing, in one transaction under a lock: of several processes that start at once, one migrates
/// and the others find it done. Tables that a newer version has brought further stay as they are: its migrations have
/// added, and what this version knows is still there.
///
/// # Errors
/// [`StoreError::BeforeTheFirstRelease`].
pub(crate) async fn run(connection: &DatabaseConnection) -> Result<(), StoreError> {
    let immediate = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let tx = connection.begin_with_options(immediate).await?;
    if tx.get_database_backend() == DbBackend::Postgres {
        tx.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")).await?;
    }
    let applied = applied(&tx).await?;
    if applied.iter().any(|name| name == BEFORE_THE_FIRST_RELEASE) {
        return Err(StoreError::BeforeTheFirstRelease);
    }
    let ours: Vec<String> = Migrator::migrations().iter().map(|migration| migration.name().to_owned()).collect();
    let is_newer = applied.iter().any(|name| !ours.contains(name));
    if is_newer && ours.iter().all(|name| applied.contains(name)) {
        tracing::warn!("a newer version of Waypost has changed the tables; this one uses what it knows of them");
    } else {
        Migrator::up(&tx, None).await?;
    }
    Ok(tx.commit().await?)
}

/// The names of the migrations that the database had.
async fn applied(tx: &DatabaseTransaction) -> Result<Vec<String>, StoreError> {
    if !SchemaManager::new(tx).has_table("seaql_migrations").await? {
        return Ok(Vec::new());
    }
    let names = Statement::from_string(tx.get_database_backend(), "SELECT version FROM seaql_migrations");
    let rows = tx.query_all_raw(names).await?;
    Ok(rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?)
}

/// Puts a database's own words into the text of a migration.
fn for_backend(backend: DbBackend, text: &str) -> String {
    let (sequence, byte_order) = match backend {
        // AUTOINCREMENT: a number is never given twice, so that a cursor cannot skip a row.
        DbBackend::Sqlite => ("INTEGER PRIMARY KEY AUTOINCREMENT", ""),
        _ => ("BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", " COLLATE \"C\""),
    };
    text.replace("{sequence}", sequence).replace("{byte order}", byte_order)
}
