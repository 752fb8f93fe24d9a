//! The tables, brought up to date when the store is opened: one file a migration, one text for both databases.
//!
//! Migrations only add first and remove later, and are never edited once released. Types that both databases know are
//! written as they are (`UUID`, `BYTEA`, `BIGINT`, `TEXT`, `BOOLEAN`); what differs is a word in braces (see
//! [`for_backend`]).

mod m0001_accounts_sessions_messages;
mod m0002_idempotency;
mod m0003_schedule;
mod m0005_pacing;
mod m0006_number_checks;
mod m0007_people;
mod m0008_lists;
mod m0009_sandbox_mailbox;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use sea_orm_migration::{MigrationTrait, MigratorTrait};

use crate::StoreError;

/// "waypost" in the numbers of a telephone: names the lock among those of other programs in the same database.
const ADVISORY_LOCK: i64 = 9_297_678;

struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_accounts_sessions_messages::Migration),
            Box::new(m0002_idempotency::Migration),
            Box::new(m0003_schedule::Migration),
            Box::new(m0005_pacing::Migration),
            Box::new(m0006_number_checks::Migration),
            Box::new(m0007_people::Migration),
            Box::new(m0008_lists::Migration),
            Box::new(m0009_sandbox_mailbox::Migration),
        ]
    }
}

/// Applies what is missing, in one transaction under a lock: of several processes that start at once, one migrates
/// and the others find it done.
pub(crate) async fn run(connection: &DatabaseConnection) -> Result<(), StoreError> {
    let immediate = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let tx = connection.begin_with_options(immediate).await?;
    if tx.get_database_backend() == DbBackend::Postgres {
        tx.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")).await?;
    }
    Migrator::up(&tx, None).await?;
    Ok(tx.commit().await?)
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
