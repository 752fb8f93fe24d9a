//! Events, in the order in which they were committed.
//!
//! An event's row is written in the transaction of the change it tells of, and the writer commits one transaction at a
//! time: a reader that goes on behind the last `seq` it saw misses nothing.

use sea_orm::Value;
use serde::Serialize;
use waypost_domain::{
    Event, EventId, EventType, Failure, LastError, PhoneNumber, Session, SessionId, SessionStatus, TenantId, Timestamp,
};

use crate::{
    Store, StoreError,
    sql::{self, Row},
    writer::Tx,
};

const TABLE: &str = "events";
const COLUMNS: usize = 6;

/// An event to be written.
#[derive(Debug, Clone)]
pub(crate) struct NewEvent {
    pub id: EventId,
    pub tenant_id: TenantId,
    pub session_id: Option<SessionId>,
    pub kind: EventType,
    /// JSON.
    pub data: String,
    pub created_at: Timestamp,
}

impl NewEvent {
    fn values(&self) -> [Value; COLUMNS] {
        [
            self.id.as_uuid().into(),
            self.tenant_id.as_uuid().into(),
            Value::Uuid(self.session_id.map(SessionId::as_uuid)),
            self.kind.as_str().into(),
            self.data.as_str().into(),
            self.created_at.as_millis().into(),
        ]
    }

    /// The event that tells of a session's new state, where one does.
    pub fn for_session(id: EventId, session: &Session, at: Timestamp) -> Option<Self> {
        let kind = EventType::for_session(session.status)?;
        let data = SessionData {
            id: session.id,
            status: session.status,
            phone_number: session.phone_number.as_ref(),
            last_error: session.last_error.as_ref(),
        };
        Some(Self {
            id,
            tenant_id: session.tenant_id,
            session_id: Some(session.id),
            kind,
            data: sql::json(&data),
            created_at: at,
        })
    }
}

/// The facts of a `session.*` event.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionData<'a> {
    id: SessionId,
    status: SessionStatus,
    phone_number: Option<&'a PhoneNumber>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<&'a LastError>,
}

/// A failure as subscribers are told of it.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorData {
    code: &'static str,
    message: &'static str,
}

impl From<&Failure> for ErrorData {
    fn from(failure: &Failure) -> Self {
        Self { code: failure.code.as_str(), message: failure.code.sentence() }
    }
}

/// Writes events in their order.
pub(crate) async fn append(tx: &Tx, events: &[NewEvent]) -> Result<(), StoreError> {
    for chunk in sql::chunks(events) {
        let sql = format!(
            "INSERT INTO events (id, tenant_id, session_id, kind, data, created_at) VALUES {}",
            sql::tuples(1, chunk.len(), COLUMNS)
        );
        tx.execute(sql, chunk.iter().flat_map(NewEvent::values).collect()).await?;
    }
    Ok(())
}

impl Store {
    /// The tenant's events behind `cursor` (0 for the first), oldest first, at most `limit`.
    pub async fn events_after(&self, tenant: TenantId, cursor: i64, limit: u32) -> Result<Vec<Event>, StoreError> {
        let sql = "SELECT seq, id, tenant_id, session_id, kind, data, created_at FROM events
                   WHERE tenant_id = $1 AND seq > $2 ORDER BY seq LIMIT $3";
        let values = vec![tenant.as_uuid().into(), cursor.into(), i64::from(limit).into()];
        self.read().all(sql, values).await?.iter().map(event).collect()
    }
}

fn event(row: &Row) -> Result<Event, StoreError> {
    let session: Option<uuid::Uuid> = row.get(TABLE, 3)?;
    Ok(Event {
        seq: row.get(TABLE, 0)?,
        id: row.get::<uuid::Uuid>(TABLE, 1)?.into(),
        tenant_id: row.get::<uuid::Uuid>(TABLE, 2)?.into(),
        session_id: session.map(SessionId::from),
        kind: row.name_or(TABLE, 4, EventType::parse, EventType::Unknown)?,
        data: row.json_or(TABLE, 5, serde_json::Value::Null)?,
        created_at: row.time(TABLE, 6)?,
    })
}
