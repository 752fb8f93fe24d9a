//! When a message is to leave, and until when it may.

use sea_orm_migration::prelude::{
    ConnectionTrait, DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(TABLES).await?;
        Ok(())
    }
}

const TABLES: &str = r"
ALTER TABLE messages ADD COLUMN send_at BIGINT;
ALTER TABLE messages ADD COLUMN expires_at BIGINT;
-- Only what is scheduled stands in it.
CREATE INDEX messages_scheduled ON messages (send_at, seq) WHERE status = 'scheduled';
-- With the expiry in it, a claim passes over what has expired, and the sweep finds it, by the index alone. One index
-- more to write at every accept would cost more than eight bytes more in this one.
DROP INDEX messages_open;
CREATE INDEX messages_open ON messages (session_id, status, seq, remote_jid, expires_at)
    WHERE status IN ('scheduled', 'queued', 'sending');
";
