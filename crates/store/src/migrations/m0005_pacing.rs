//! Pacing: what a session chose, what it sent lately, and the lane in which first contacts wait.

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
ALTER TABLE sessions ADD COLUMN pacing TEXT;
ALTER TABLE sessions ADD COLUMN first_contact_pause TEXT;

-- 1: a queued message that waits in the lane of first contacts. A claim of the other lane does not read past such rows,
-- however many there are: the lane stands before the order in the index of the queue.
ALTER TABLE messages ADD COLUMN lane BIGINT NOT NULL DEFAULT 0;
DROP INDEX messages_open;
CREATE INDEX messages_open ON messages (session_id, status, lane, seq, remote_jid, expires_at)
    WHERE status IN ('scheduled', 'queued', 'sending');
-- The first contacts that wait, by chat: empty where nothing is paced.
CREATE INDEX messages_of_strangers ON messages (session_id, remote_jid) WHERE lane = 1 AND status = 'queued';

-- What paced sessions sent, by minute since 1970; `last_at` is the last time within it.
CREATE TABLE pacing_spent (
    session_id UUID NOT NULL,
    minute BIGINT NOT NULL,
    sent BIGINT NOT NULL,
    first_contacts BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    PRIMARY KEY (session_id, minute)
);
CREATE INDEX pacing_spent_by_minute ON pacing_spent (minute);
";
