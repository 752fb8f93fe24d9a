//! What the sandbox's pretend phones still owe.

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
-- A message whose receipts or answer are still to come. receipts: otherwise only its id is kept, to know a repeat by.
-- reply: the answer's content, with the id that it is stored under once.
CREATE TABLE sandbox_mailbox (
    seq {sequence},
    session_id UUID NOT NULL,
    wa_id TEXT NOT NULL,
    chat TEXT NOT NULL,
    taken_at BIGINT NOT NULL,
    receipts BOOLEAN NOT NULL,
    reply_wa_id TEXT,
    reply TEXT,
    UNIQUE (session_id, wa_id)
);
";
