//! Lists go by time, and what they look for has an index.

use sea_orm_migration::prelude::{
    ConnectionTrait, DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(INDEXES).await?;
        Ok(())
    }
}

const INDEXES: &str = r"
-- With the time before the position, a list from a time until another is a range of each of these, and no accept writes
-- one entry more than before.
DROP INDEX messages_of_tenant;
DROP INDEX messages_of_session;
DROP INDEX messages_of_chat;
CREATE INDEX messages_of_tenant ON messages (tenant_id, created_at, seq);
CREATE INDEX messages_of_session ON messages (tenant_id, session_id, created_at, seq);
CREATE INDEX messages_of_chat ON messages (tenant_id, remote_jid, created_at, seq);
-- The statuses that are rare, and therefore looked for. A message that is accepted, sent, delivered and read never
-- stands in it.
CREATE INDEX messages_by_rare_status ON messages (tenant_id, status, created_at, seq)
    WHERE status IN ('scheduled', 'failed', 'canceled');
-- Answers are few among what was sent. Outbound messages never stand in it.
CREATE INDEX messages_inbound ON messages (tenant_id, created_at, seq) WHERE direction = 'inbound';
-- What the caller wrote in `to`, of the messages whose chat has another address: a number that WhatsApp knows in another
-- form, a person whose chat is kept under their LID.
CREATE INDEX messages_to_elsewhere ON messages (tenant_id, recipient, created_at, seq)
    WHERE direction = 'outbound' AND recipient <> remote_jid AND recipient || '@s.whatsapp.net' <> remote_jid;
-- Revoked keys are not listed.
DROP INDEX api_keys_of_tenant;
CREATE INDEX api_keys_of_tenant ON api_keys (tenant_id, seq) WHERE revoked_at IS NULL;
";
