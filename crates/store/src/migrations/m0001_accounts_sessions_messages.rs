//! Tenants, users, API keys, sessions, messages, events, Signal keys.

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
-- Facts about the database itself.
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value BYTEA NOT NULL
);

CREATE TABLE tenants (
    id UUID PRIMARY KEY,
    name TEXT NOT NULL,
    trial_ends_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE users (
    id UUID PRIMARY KEY,
    tenant_id UUID NOT NULL REFERENCES tenants (id),
    email TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX users_of_tenant ON users (tenant_id);

-- A family is one login and every token that descends from it.
CREATE TABLE refresh_families (
    id UUID PRIMARY KEY,
    tenant_id UUID NOT NULL REFERENCES tenants (id),
    user_id UUID NOT NULL REFERENCES users (id),
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
);

-- A used token stays until it expires: its second use gives a thief away.
CREATE TABLE refresh_tokens (
    hash BYTEA PRIMARY KEY,
    family_id UUID NOT NULL REFERENCES refresh_families (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX refresh_tokens_of_family ON refresh_tokens (family_id);
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);

CREATE TABLE api_keys (
    seq {sequence},
    id UUID NOT NULL UNIQUE,
    tenant_id UUID NOT NULL,
    name TEXT NOT NULL,
    prefix TEXT NOT NULL,
    scopes TEXT NOT NULL,
    hash BYTEA NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    expires_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX api_keys_of_tenant ON api_keys (tenant_id, seq);

CREATE TABLE sessions (
    seq {sequence},
    id UUID NOT NULL UNIQUE,
    tenant_id UUID NOT NULL,
    name TEXT NOT NULL,
    engine TEXT NOT NULL,
    status TEXT NOT NULL,
    linked BOOLEAN NOT NULL,
    wanted BOOLEAN NOT NULL,
    phone_number TEXT,
    lid TEXT,
    push_name TEXT,
    last_error TEXT,
    connected_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX sessions_of_tenant ON sessions (tenant_id, seq);

-- No reference to sessions: a deleted session's messages stay readable. The timeline is one JSON object a line, so
-- that a status is added without reading the others.
CREATE TABLE messages (
    seq {sequence},
    id UUID NOT NULL UNIQUE,
    tenant_id UUID NOT NULL,
    session_id UUID NOT NULL,
    direction TEXT NOT NULL,
    wa_id TEXT NOT NULL,
    on_wire BOOLEAN NOT NULL DEFAULT FALSE,
    remote_jid TEXT NOT NULL,
    recipient TEXT,
    sender TEXT,
    push_name TEXT,
    kind TEXT NOT NULL,
    content TEXT NOT NULL,
    client_reference TEXT,
    status TEXT NOT NULL,
    failure TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    timeline TEXT NOT NULL
);
-- Lists: all of a tenant, of a session, of a chat.
CREATE INDEX messages_of_tenant ON messages (tenant_id, seq);
CREATE INDEX messages_of_session ON messages (tenant_id, session_id, seq);
CREATE INDEX messages_of_chat ON messages (tenant_id, remote_jid, seq);
-- The queue: small, whatever the size of the history. The chat is in it so that a claim that leaves out busy chats
-- reads the index alone.
CREATE INDEX messages_open ON messages (session_id, status, seq, remote_jid)
    WHERE status IN ('scheduled', 'queued', 'sending');
-- Acknowledgements and receipts name a message by its id on the wire. Such ids are random, so each entry touches a page
-- of its own: it is written when the message is claimed, not while a caller waits for its accept.
CREATE INDEX messages_on_wire ON messages (session_id, wa_id) WHERE on_wire;
-- An inbound message that comes again is the same message.
CREATE UNIQUE INDEX messages_received ON messages (session_id, remote_jid, sender, wa_id)
    WHERE direction = 'inbound';

CREATE TABLE events (
    seq {sequence},
    id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    session_id UUID,
    kind TEXT NOT NULL,
    data TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX events_of_tenant ON events (tenant_id, seq);

-- Signal keys and credentials; the values are encrypted under the master key.
CREATE TABLE signal_keys (
    session_id UUID NOT NULL,
    kind BIGINT NOT NULL,
    name TEXT{byte order} NOT NULL,
    value BYTEA NOT NULL,
    tag BIGINT NOT NULL,
    PRIMARY KEY (session_id, kind, name)
);
";
