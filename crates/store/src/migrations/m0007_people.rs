//! Who is who: the LID and the number of one person.

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
-- A person whom a session knows by LID and by number; both are JIDs. chat_by_lid: their chat was opened under the LID,
-- before the number was known, and stays there.
CREATE TABLE people (
    session_id UUID NOT NULL,
    lid TEXT NOT NULL,
    number TEXT NOT NULL,
    chat_by_lid BOOLEAN NOT NULL,
    learned_at BIGINT NOT NULL,
    PRIMARY KEY (session_id, lid)
);
CREATE INDEX people_by_number ON people (session_id, number);
CREATE INDEX people_by_age ON people (session_id, learned_at);

-- The sender of an inbound message in the other namespace, where it is known.
ALTER TABLE messages ADD COLUMN sender_alt TEXT;
";
