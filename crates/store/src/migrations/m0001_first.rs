//! Every table of the first release.

use sea_orm_migration::prelude::{
    ConnectionTrait, DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for tables in [ACCOUNTS, SESSIONS, MESSAGES, INDEXES_OF_MESSAGES, KNOWLEDGE] {
            let sql = super::for_backend(manager.get_database_backend(), tables);
            manager.get_connection().execute_unprepared(&sql).await?;
        }
        Ok(())
    }
}

const ACCOUNTS: &str = r"
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
-- Revoked keys are not listed.
CREATE INDEX api_keys_of_tenant ON api_keys (tenant_id, seq) WHERE revoked_at IS NULL;
";

const SESSIONS: &str = r"
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
    pacing TEXT,
    first_contact_pause TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX sessions_of_tenant ON sessions (tenant_id, seq);

-- Signal keys and credentials; the values are encrypted under the master key.
CREATE TABLE signal_keys (
    session_id UUID NOT NULL,
    kind BIGINT NOT NULL,
    name TEXT{byte order} NOT NULL,
    value BYTEA NOT NULL,
    tag BIGINT NOT NULL,
    PRIMARY KEY (session_id, kind, name)
);

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

const MESSAGES: &str = r"
-- No reference to sessions: a deleted session's messages stay readable. The timeline is one JSON object a line, so
-- that a status is added without reading the others. lane: 1 for a queued message that waits as a first contact.
-- sender_alt: the sender of an inbound message in the other namespace, if it is known.
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
    sender_alt TEXT,
    push_name TEXT,
    kind TEXT NOT NULL,
    content TEXT NOT NULL,
    client_reference TEXT,
    status TEXT NOT NULL,
    failure TEXT,
    lane BIGINT NOT NULL DEFAULT 0,
    send_at BIGINT,
    expires_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    timeline TEXT NOT NULL
);

CREATE TABLE idempotency_keys (
    tenant_id UUID NOT NULL,
    key TEXT NOT NULL,
    fingerprint BYTEA NOT NULL,
    message_id UUID NOT NULL,
    answer TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

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
";

const INDEXES_OF_MESSAGES: &str = r"
-- The queue: small, whatever the size of the history. The chat and the expiry are in it so that a claim that leaves out
-- busy chats, passes over what has expired, and the search for what has, read the index alone. The lane stands before the
-- order: a claim of the one lane does not read past the rows of the other, however many there are.
CREATE INDEX messages_open ON messages (session_id, status, lane, seq, remote_jid, expires_at)
    WHERE status IN ('scheduled', 'queued', 'sending');
-- Acknowledgements and receipts name a message by its id on the wire. Such ids are random, so each entry touches a page
-- of its own: it is written when the message is claimed, not while a caller waits for its accept.
CREATE INDEX messages_on_wire ON messages (session_id, wa_id) WHERE on_wire;
-- An inbound message that comes again is the same message.
CREATE UNIQUE INDEX messages_received ON messages (session_id, remote_jid, sender, wa_id)
    WHERE direction = 'inbound';
-- Only what is scheduled stands in it.
CREATE INDEX messages_scheduled ON messages (send_at, seq) WHERE status = 'scheduled';
-- The first contacts that wait, by chat: empty if nothing is paced.
CREATE INDEX messages_of_strangers ON messages (session_id, remote_jid) WHERE lane = 1 AND status = 'queued';
-- Lists: all of a tenant, of a session, of a chat. With the time before the position, a list from a time until another
-- is a range of each.
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
";

const KNOWLEDGE: &str = r"
-- What WhatsApp said of numbers. An answer per tenant, so that no tenant learns from the speed of an answer whom another
-- one asked about. No jid: the number has no account.
CREATE TABLE number_checks (
    tenant_id UUID NOT NULL,
    number TEXT NOT NULL,
    jid TEXT,
    lid TEXT,
    checked_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, number)
);
CREATE INDEX number_checks_by_age ON number_checks (checked_at);

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

-- A message of the sandbox whose receipts or answer are still to come. receipts: otherwise only its id is kept, to know a
-- repeat by. reply: the answer's content, with the id that it is stored under once.
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
