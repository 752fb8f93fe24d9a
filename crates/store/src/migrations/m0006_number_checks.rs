//! What WhatsApp said of numbers.

use sea_orm_migration::prelude::{
    ConnectionTrait, DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = super::for_backend(manager.get_database_backend(), TABLES);
        manager.get_connection().execute_unprepared(&sql).await?;
        Ok(())
    }
}

const TABLES: &str = r"
-- An answer per tenant, so that no tenant learns from the speed of an answer whom another one asked about. No jid: the
-- number has no account.
CREATE TABLE number_checks (
    tenant_id UUID NOT NULL,
    number TEXT NOT NULL,
    jid TEXT,
    lid TEXT,
    checked_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, number)
);
CREATE INDEX number_checks_by_age ON number_checks (checked_at);
";
