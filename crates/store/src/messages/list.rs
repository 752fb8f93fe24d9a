//! Reading messages back: one, and lists.
//!
//! Lists run from the newest to the oldest by `createdAt`. They promise:
//!
//! * **Bounded work.** Every statement reads a range of an index in its order, [`WALK`] entries at most of each address.
//!   Session, chat, direction `inbound`, the rare statuses, from and until are such ranges. What else a filter asks for
//!   (a status that most messages pass through, or two of these at once) is looked for along the range: where few rows
//!   match, the page ends early and its cursor goes on behind the last entry that was read. An index for each
//!   combination would be written three times for each message on its way to `read`.
//! * **Bounded answers.** A page ends at [`PAGE_BYTES`] of content, after one message at least.
//! * **A deadline** on PostgreSQL, if its planner should ever take another way than the index.

use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, TransactionTrait, Value};
use waypost_domain::{Direction, Jid, Message, MessageId, MessageStatus, SessionId, TenantId};

use super::{MessageFilter, OPEN, row};
use crate::{
    Cursor, Page, PageRequest, REACH, StoreError,
    sql::{self, Row, Sql},
};

const TABLE: &str = "messages";
/// Entries of an index that a page reads in search of rows that match.
const WALK: u32 = 10_000;
/// Content and timelines of a page, in bytes.
const PAGE_BYTES: i64 = 1024 * 1024;
/// Milliseconds.
const DEADLINE: &str = "SET LOCAL statement_timeout = 5000";
/// The conditions of the partial indexes, word for word: a database uses such an index only for a query that repeats it.
const RARE: &str = "status IN ('scheduled', 'failed', 'canceled')";
const INBOUND: &str = "direction = 'inbound'";
const TO_ELSEWHERE: &str =
    "direction = 'outbound' AND recipient <> remote_jid AND recipient || '@s.whatsapp.net' <> remote_jid";

pub(super) async fn one(
    read: &Sql<DatabaseConnection>,
    tenant: TenantId,
    message: MessageId,
) -> Result<Option<Message>, StoreError> {
    let sql = format!("SELECT {} FROM messages WHERE id = $1 AND tenant_id = $2", row::COLUMNS);
    let values = vec![message.as_uuid().into(), tenant.as_uuid().into()];
    read.one(sql, values).await?.as_ref().map(row::message).transpose()
}

pub(super) async fn many(
    read: &Sql<DatabaseConnection>,
    tenant: TenantId,
    filter: &MessageFilter,
    request: PageRequest,
) -> Result<Page<Message>, StoreError> {
    let tx = Sql(read.0.begin().await?);
    if tx.0.get_database_backend() == DbBackend::Postgres {
        tx.0.execute_unprepared(DEADLINE).await?;
    }
    let page = page(&tx, tenant, filter, request).await?;
    tx.0.commit().await?;
    Ok(page)
}

async fn page(
    tx: &Sql<DatabaseTransaction>,
    tenant: TenantId,
    filter: &MessageFilter,
    request: PageRequest,
) -> Result<Page<Message>, StoreError> {
    let sqlite = tx.0.get_database_backend() == DbBackend::Sqlite;
    let (mut search, rest) = Search::new(sqlite, tenant, filter, request.after());
    let mut end = None;
    if !rest.is_empty() {
        end = tx.one(search.end_sql(), search.values.clone()).await?.as_ref().map(cursor).transpose()?;
        search.narrow(end, &rest);
    }
    let limit = request.limit() as usize;
    let found = if request.is_within_reach() {
        let (sql, values) = search.page(request);
        tx.all(sql, values).await?
    } else {
        Vec::new()
    };
    let mut page = Page { items: Vec::new(), total: None, total_is_capped: false, next_cursor: end };
    if request.after().is_none() {
        let counted = if found.len() <= limit && (request.offset() == 0 || !found.is_empty()) {
            u64::from(request.offset()) + found.len() as u64
        } else {
            let (sql, values) = search.count();
            tx.one(sql, values).await?.map_or(Ok(0), |row| row.count(TABLE, 0))?
        };
        page.total = Some(counted.min(REACH.into()));
        page.total_is_capped = counted > REACH.into() || end.is_some();
    }
    let shown = that_fit(&found, limit)?;
    if let Some(last) = shown.last()
        && shown.len() < found.len()
    {
        page.next_cursor = Some(*last);
    } else if !request.is_within_reach() {
        page.next_cursor = None;
    }
    for chunk in sql::chunks(&shown) {
        let mut values = vec![tenant.as_uuid().into()];
        values.extend(chunk.iter().map(|row| Value::from(row.seq)));
        for row in tx.all(rows_sql(chunk.len()), values).await? {
            page.items.push(row::message(&row)?);
        }
    }
    Ok(page)
}

/// The rows that a page may show: one at least, then as many as there is room for.
fn that_fit(found: &[Row], limit: usize) -> Result<Vec<Cursor>, StoreError> {
    let mut shown = Vec::with_capacity(found.len().min(limit));
    let mut bytes: i64 = 0;
    for row in found.iter().take(limit) {
        bytes = bytes.saturating_add(row.get(TABLE, 2)?);
        if bytes > PAGE_BYTES && !shown.is_empty() {
            break;
        }
        shown.push(cursor(row)?);
    }
    Ok(shown)
}

fn cursor(row: &Row) -> Result<Cursor, StoreError> {
    Ok(Cursor { at: row.time(TABLE, 0)?, seq: row.get(TABLE, 1)? })
}

/// COALESCE keeps the databases on the primary key: without it SQLite may walk all messages of the tenant.
pub(super) fn rows_sql(count: usize) -> String {
    format!(
        "SELECT {} FROM messages WHERE COALESCE(tenant_id, tenant_id) = $1 AND seq IN ({})
         ORDER BY created_at DESC, seq DESC",
        row::COLUMNS,
        sql::list(2, count)
    )
}

/// What a filter asks for beyond the ranges.
#[derive(Default)]
struct Rest {
    session_id: Option<SessionId>,
    status: Option<MessageStatus>,
    direction: Option<Direction>,
}

impl Rest {
    const fn is_empty(&self) -> bool {
        self.session_id.is_none() && self.status.is_none() && self.direction.is_none()
    }
}

/// The ranges of indexes that hold what a filter asks for; no row stands in two of them.
struct Search {
    /// The index of each range, and its conditions.
    ranges: Vec<(&'static str, String)>,
    /// Whether to name the index: without statistics SQLite takes the tenant's for a session from a time until another.
    sqlite: bool,
    /// What all of them share.
    shared: String,
    values: Vec<Value>,
}

impl Search {
    /// The ranges, and what of the filter they do not answer.
    fn new(sqlite: bool, tenant: TenantId, filter: &MessageFilter, after: Option<Cursor>) -> (Self, Rest) {
        let mut search = Self { ranges: Vec::new(), sqlite, shared: String::new(), values: Vec::new() };
        let tenant = search.value(tenant.as_uuid());
        search.shared = format!("tenant_id = {tenant}");
        if let Some(from) = filter.from {
            search.both("created_at >=", from.as_millis());
        }
        if let Some(until) = filter.until {
            search.both("created_at <", until.as_millis());
        }
        if let Some(after) = after {
            search.beside("<", after);
        }
        let MessageFilter { session_id, status, direction, .. } = *filter;
        let mut rest = Rest { session_id, status, direction };
        if !filter.with.is_empty() {
            search.with(&filter.with);
        } else if let Some(status @ (MessageStatus::Scheduled | MessageStatus::Failed | MessageStatus::Canceled)) =
            status
        {
            rest.status = None;
            let status = search.value(status.as_str());
            search.ranges.push(("messages_by_rare_status", format!("{RARE} AND status = {status}")));
        } else if direction == Some(Direction::Inbound) {
            rest.direction = None;
            search.ranges.push(("messages_inbound", INBOUND.to_owned()));
        } else if let Some(session) = session_id {
            rest.session_id = None;
            let session = search.value(session.as_uuid());
            search.ranges.push(("messages_of_session", format!("session_id = {session}")));
        } else {
            search.ranges.push(("messages_of_tenant", "TRUE".to_owned()));
        }
        (search, rest)
    }

    /// The chats with these addresses, and what was sent to one of them as it was written.
    fn with(&mut self, addresses: &[Jid]) {
        let chats: Vec<String> = addresses.iter().map(|jid| self.value(jid.to_string())).collect();
        let written: Vec<String> = addresses
            .iter()
            .flat_map(|jid| [Some(jid.to_string()), jid.phone_number().map(|number| number.to_string())])
            .flatten()
            .map(|to| self.value(to))
            .collect();
        let elsewhere = format!("remote_jid NOT IN ({})", chats.join(", "));
        let chat = |chat: &String| ("messages_of_chat", format!("remote_jid = {chat}"));
        self.ranges.extend(chats.iter().map(chat));
        let elsewhere = |to: &String| {
            let range = format!("recipient = {to} AND {TO_ELSEWHERE} AND {elsewhere}");
            ("messages_to_elsewhere", range)
        };
        self.ranges.extend(written.iter().map(elsewhere));
    }

    /// Ends the ranges where the walk does, and leaves only the rows that are the rest of what was asked for. COALESCE
    /// keeps the databases on the index of the range.
    fn narrow(&mut self, end: Option<Cursor>, rest: &Rest) {
        if let Some(end) = end {
            self.beside(">=", end);
        }
        if let Some(session) = rest.session_id {
            self.both("COALESCE(session_id, session_id) =", session.as_uuid());
        }
        if let Some(status) = rest.status {
            self.both("COALESCE(status, status) =", status.as_str());
        }
        if let Some(direction) = rest.direction {
            self.both("COALESCE(direction, direction) =", direction.as_str());
        }
    }

    fn value(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    fn both(&mut self, left: &str, right: impl Into<Value>) {
        let right = self.value(right);
        self.shared = format!("{} AND {left} {right}", self.shared);
    }

    fn beside(&mut self, operator: &str, place: Cursor) {
        let at = self.value(place.at.as_millis());
        let seq = self.value(place.seq);
        self.shared = format!("{} AND (created_at, seq) {operator} ({at}, {seq})", self.shared);
    }

    /// `columns` of the rows of each range, each cut by `tail`.
    fn each(&self, columns: &str, tail: &str) -> String {
        let range = |(number, (index, range)): (usize, &(&str, String))| {
            let by = if self.sqlite { format!(" INDEXED BY {index}") } else { String::new() };
            let shared = &self.shared;
            format!(
                "SELECT * FROM (SELECT {columns} FROM messages{by} WHERE {shared} AND {range} {tail}) AS range{number}"
            )
        };
        self.ranges.iter().enumerate().map(range).collect::<Vec<_>>().join(" UNION ALL ")
    }

    /// The newest place at which the walk along a range ends; none if all ranges end before.
    fn end_sql(&self) -> String {
        let tail = format!("ORDER BY created_at DESC, seq DESC LIMIT 1 OFFSET {}", WALK - 1);
        let each = self.each("created_at, seq", &tail);
        format!("SELECT * FROM ({each}) AS ends ORDER BY created_at DESC, seq DESC LIMIT 1")
    }

    /// The places of the page's rows and their sizes; one row more than asked for says that there are more.
    fn page(&self, request: PageRequest) -> (String, Vec<Value>) {
        let next = self.values.len() + 1;
        let (limit, offset) = (i64::from(request.limit()) + 1, i64::from(request.offset()));
        let tail = format!("ORDER BY created_at DESC, seq DESC LIMIT ${next}");
        let each = self.each("created_at, seq, octet_length(content) + octet_length(timeline) AS bytes", &tail);
        let sql = format!(
            "SELECT created_at, seq, CAST(bytes AS BIGINT) FROM ({each}) AS found
             ORDER BY created_at DESC, seq DESC LIMIT ${} OFFSET ${}",
            next + 1,
            next + 2
        );
        let mut values = self.values.clone();
        values.extend([Value::from(limit + offset), Value::from(limit), Value::from(offset)]);
        (sql, values)
    }

    /// How many rows there are, up to one more than [`REACH`] in each range. The order keeps PostgreSQL on the index:
    /// else it may read the table.
    fn count(&self) -> (String, Vec<Value>) {
        let each = self.each("seq", &format!("ORDER BY created_at DESC, seq DESC LIMIT {}", REACH + 1));
        (format!("SELECT COUNT(*) FROM ({each}) AS counted"), self.values.clone())
    }
}

pub(super) async fn sessions_with_queued(read: &Sql<DatabaseConnection>) -> Result<Vec<SessionId>, StoreError> {
    let rows = read.all(queued_sql(), Vec::<Value>::new()).await?;
    rows.iter().map(|row| Ok(row.get::<uuid::Uuid>("messages", 0)?.into())).collect()
}

pub(super) fn queued_sql() -> String {
    format!("SELECT DISTINCT session_id FROM messages WHERE status = 'queued' AND {OPEN}")
}

/// Every statement of a list but the one that reads the rows it found.
#[cfg(test)]
pub(super) fn statements(tenant: TenantId, filter: &MessageFilter, request: PageRequest) -> Vec<String> {
    let (mut search, rest) = Search::new(true, tenant, filter, request.after());
    let end = search.end_sql();
    search.narrow(request.after(), &rest);
    vec![end, search.page(request).0, search.count().0]
}
