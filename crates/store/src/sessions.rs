//! Sessions.

use waypost_domain::{
    EngineKind, EventId, Failure, Jid, LastError, PacingChoice, PhoneNumber, Session, SessionId, SessionStatus,
    TenantId, Timestamp, status::FailureCode,
};

use crate::{
    Cursor, Page, PageRequest, Store, StoreError, events,
    events::NewEvent,
    keys, messages, pacing,
    page::{self, Conditions},
    people, sandbox_mailbox,
    sql::{self, Assignments, Row},
    writer::Tx,
};

const TABLE: &str = "sessions";
const COLUMNS: &str = "seq, id, tenant_id, name, engine, status, linked, wanted, phone_number, lid, push_name,
    last_error, connected_at, created_at, updated_at, pacing, first_contact_pause";
const UNKNOWN_ERROR: &str = "Another version of Waypost wrote why the session is not connected, and this one cannot read it. \
    Connect the session, or update Waypost to see the reason";

/// A new session, disconnected and unlinked.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Its id.
    pub id: SessionId,
    /// Its tenant.
    pub tenant_id: TenantId,
    /// Its name.
    pub name: String,
    /// Its network.
    pub engine: EngineKind,
    /// When.
    pub created_at: Timestamp,
}

/// What changes in a session's row; `None` leaves a field as it is. A changed status writes its event row in the same
/// commit (`event_id` names it).
#[derive(Debug, Clone)]
#[expect(clippy::option_option, reason = "leave it, forget it, set it: the field's doc says which is which")]
pub struct SessionChange {
    /// When the change happened.
    pub at: Timestamp,
    /// The id of the event row, used where the status changes and the new one has an event.
    pub event_id: EventId,
    /// The new state.
    pub status: Option<SessionStatus>,
    /// Whether it is linked.
    pub linked: Option<bool>,
    /// Whether it should be connected.
    pub wanted: Option<bool>,
    /// The account's number; `Some(None)` forgets it.
    pub phone_number: Option<Option<PhoneNumber>>,
    /// The account's LID; `Some(None)` forgets it.
    pub lid: Option<Option<Jid>>,
    /// The account's name for itself.
    pub push_name: Option<String>,
    /// Why it left `connected`; `Some(None)` clears it.
    pub last_error: Option<Option<LastError>>,
    /// When it became `connected`.
    pub connected_at: Option<Timestamp>,
    /// Whether the status is told of once more though it stays the same: another QR code waits.
    pub tell_again: bool,
}

impl SessionChange {
    /// A change of nothing yet.
    pub const fn new(at: Timestamp, event_id: EventId) -> Self {
        Self {
            at,
            event_id,
            status: None,
            linked: None,
            wanted: None,
            phone_number: None,
            lid: None,
            push_name: None,
            last_error: None,
            connected_at: None,
            tell_again: false,
        }
    }

    /// What of the row it changes.
    fn assignments(&self, session: SessionId) -> Assignments {
        let mut row = Assignments::of(session.as_uuid());
        row.set("updated_at", self.at.as_millis());
        if let Some(status) = self.status.filter(|status| *status != SessionStatus::Unknown) {
            row.set("status", status.as_str());
        }
        if let Some(linked) = self.linked {
            row.set("linked", linked);
        }
        if let Some(wanted) = self.wanted {
            row.set("wanted", wanted);
        }
        if let Some(number) = &self.phone_number {
            row.set("phone_number", number.as_ref().map(ToString::to_string));
        }
        if let Some(lid) = &self.lid {
            row.set("lid", lid.as_ref().map(ToString::to_string));
        }
        if let Some(error) = &self.last_error {
            row.set("last_error", error.as_ref().map(sql::json));
        }
        if let Some(name) = &self.push_name {
            row.set("push_name", sql::free_text(name));
        }
        if let Some(at) = self.connected_at {
            row.set("connected_at", at.as_millis());
        }
        row
    }

    /// What `session` is after this change.
    fn apply(&self, session: &Session) -> Session {
        let mut changed = session.clone();
        changed.updated_at = self.at;
        if let Some(status) = self.status {
            changed.status = status;
        }
        if let Some(linked) = self.linked {
            changed.linked = linked;
        }
        if let Some(wanted) = self.wanted {
            changed.wanted = wanted;
        }
        if let Some(phone_number) = &self.phone_number {
            changed.phone_number.clone_from(phone_number);
        }
        if let Some(lid) = &self.lid {
            changed.lid.clone_from(lid);
        }
        if let Some(last_error) = &self.last_error {
            changed.last_error.clone_from(last_error);
        }
        if self.push_name.is_some() {
            changed.push_name.clone_from(&self.push_name);
        }
        if self.connected_at.is_some() {
            changed.connected_at = self.connected_at;
        }
        changed
    }
}

impl Store {
    /// Creates a session.
    pub async fn create_session(&self, session: NewSession) -> Result<Session, StoreError> {
        let session = Session {
            id: session.id,
            tenant_id: session.tenant_id,
            name: session.name,
            engine: session.engine,
            status: SessionStatus::Disconnected,
            linked: false,
            wanted: false,
            phone_number: None,
            lid: None,
            push_name: None,
            last_error: None,
            connected_at: None,
            pacing: PacingChoice::default(),
            first_contact_pause: None,
            created_at: session.created_at,
            updated_at: session.created_at,
        };
        self.writer().change(session.clone(), |tx, session| Box::pin(create(tx, session))).await?;
        Ok(session)
    }

    /// One session of the tenant.
    pub async fn session(&self, tenant: TenantId, session: SessionId) -> Result<Option<Session>, StoreError> {
        self.read()
            .one(one(), vec![session.as_uuid().into(), tenant.as_uuid().into()])
            .await?
            .as_ref()
            .map(read)
            .transpose()
    }

    /// The tenant's sessions, newest first.
    pub async fn sessions(&self, tenant: TenantId, page: PageRequest) -> Result<Page<Session>, StoreError> {
        let conditions = Conditions::new("tenant_id =", tenant.as_uuid());
        let item = |row: &Row| {
            let session = read(row)?;
            Ok((Cursor { at: session.created_at, seq: row.get(TABLE, 0)? }, session))
        };
        let _turn = self.list_turn().await?;
        page::read(self.read(), TABLE, COLUMNS, conditions, page, item).await
    }

    /// How many sessions the tenant has.
    pub async fn count_sessions(&self, tenant: TenantId) -> Result<u64, StoreError> {
        let sql = "SELECT COUNT(*) FROM sessions WHERE tenant_id = $1";
        let row = self.read().one(sql, vec![tenant.as_uuid().into()]).await?;
        row.map_or(Ok(0), |row| row.count(TABLE, 0))
    }

    /// Every session that is wanted and linked: what comes back after a restart. Not those of a network that this version
    /// does not know.
    pub async fn sessions_to_resume_system(&self) -> Result<Vec<Session>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM sessions WHERE wanted AND linked ORDER BY seq");
        let sessions = self.read().all(sql, Vec::new()).await?;
        let is_known = |session: &Session| session.engine != EngineKind::Unknown;
        sessions.iter().map(read).filter(|session| session.as_ref().map_or(true, is_known)).collect()
    }

    /// How many sessions there are, by their engine and their status; names of other versions are several times `Unknown`.
    /// Reads every session; waits for a reader as lists do.
    pub async fn count_sessions_system(&self) -> Result<Vec<(EngineKind, SessionStatus, u64)>, StoreError> {
        let _turn = self.list_turn().await?;
        let sql = "SELECT engine, status, COUNT(*) FROM sessions GROUP BY engine, status";
        let rows = self.read().all(sql, Vec::new()).await?;
        let count = |row: &Row| {
            let engine = row.name_or(TABLE, 0, EngineKind::parse, EngineKind::Unknown)?;
            let status = row.name_or(TABLE, 1, SessionStatus::parse, SessionStatus::Unknown)?;
            Ok((engine, status, row.count(TABLE, 2)?))
        };
        rows.iter().map(count).collect()
    }

    /// After a start no socket is alive: every `connecting`, `qr` and `connected` becomes `disconnected`, with its
    /// event. Returns how many did.
    pub async fn reset_session_states_system(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.writer().change((), move |tx, ()| Box::pin(reset(tx, now))).await
    }

    /// Changes a session and returns it as it is now; `None` where the tenant has no such session.
    pub async fn change_session(
        &self,
        tenant: TenantId,
        session: SessionId,
        change: SessionChange,
    ) -> Result<Option<Session>, StoreError> {
        self.writer()
            .change(change, move |tx, change| {
                Box::pin(async move {
                    let values = vec![session.as_uuid().into(), tenant.as_uuid().into()];
                    let Some(row) = tx.one(one(), values).await? else {
                        return Ok(None);
                    };
                    self::change(tx, &read(&row)?, change).await.map(Some)
                })
            })
            .await
    }

    /// Deletes a session and its credentials. Its messages stay readable; those still waiting fail with
    /// `SESSION_GONE` in the same commit. `false` where the tenant has no such session.
    pub async fn delete_session(
        &self,
        tenant: TenantId,
        session: SessionId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.writer().change((), move |tx, ()| Box::pin(delete(tx, tenant, session, now))).await
    }
}

pub(crate) fn one() -> String {
    format!("SELECT {COLUMNS} FROM sessions WHERE id = $1 AND tenant_id = $2")
}

async fn create(tx: &Tx, session: &Session) -> Result<(), StoreError> {
    let sql = format!(
        "INSERT INTO sessions (id, tenant_id, name, engine, status, linked, wanted, created_at, updated_at) VALUES {}",
        sql::tuples(1, 1, 9)
    );
    let values = vec![
        session.id.as_uuid().into(),
        session.tenant_id.as_uuid().into(),
        sql::free_text(&session.name),
        session.engine.as_str().into(),
        session.status.as_str().into(),
        session.linked.into(),
        session.wanted.into(),
        session.created_at.as_millis().into(),
        session.updated_at.as_millis().into(),
    ];
    tx.execute(sql, values).await?;
    Ok(())
}

/// Writes a changed session, and the event where its status is another one.
async fn change(tx: &Tx, before: &Session, change: &SessionChange) -> Result<Session, StoreError> {
    let session = change.apply(before);
    let (sql, values) = change.assignments(session.id).update(TABLE);
    tx.execute(sql, values).await?;
    if (session.status != before.status || change.tell_again)
        && let Some(event) = NewEvent::for_session(change.event_id, &session, change.at)
    {
        events::append(tx, &[event]).await?;
    }
    Ok(session)
}

async fn reset(tx: &Tx, now: Timestamp) -> Result<u64, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM sessions WHERE status IN ('connecting', 'qr', 'connected') ORDER BY seq");
    let sessions = tx.all(sql, Vec::new()).await?;
    for row in &sessions {
        let disconnect =
            SessionChange { status: Some(SessionStatus::Disconnected), ..SessionChange::new(now, tx.env.new_id()) };
        change(tx, &read(row)?, &disconnect).await?;
    }
    Ok(u64::try_from(sessions.len()).unwrap_or(u64::MAX))
}

async fn delete(tx: &Tx, tenant: TenantId, session: SessionId, now: Timestamp) -> Result<bool, StoreError> {
    let sql = "DELETE FROM sessions WHERE id = $1 AND tenant_id = $2";
    if tx.execute(sql, vec![session.as_uuid().into(), tenant.as_uuid().into()]).await? == 0 {
        return Ok(false);
    }
    keys::clear(tx, session).await?;
    pacing::forget(tx, session).await?;
    people::forget(tx, session).await?;
    sandbox_mailbox::forget(tx, session).await?;
    messages::fail_waiting(tx, session, &Failure::new(FailureCode::SessionGone), now).await?;
    Ok(true)
}

pub(crate) fn read(row: &Row) -> Result<Session, StoreError> {
    let updated_at = row.time(TABLE, 14)?;
    let unknown_error = || Some(LastError::new("UNKNOWN", UNKNOWN_ERROR, updated_at));
    Ok(Session {
        id: row.get::<uuid::Uuid>(TABLE, 1)?.into(),
        tenant_id: row.get::<uuid::Uuid>(TABLE, 2)?.into(),
        name: row.get(TABLE, 3)?,
        engine: row.name_or(TABLE, 4, EngineKind::parse, EngineKind::Unknown)?,
        status: row.name_or(TABLE, 5, SessionStatus::parse, SessionStatus::Unknown)?,
        linked: row.get(TABLE, 6)?,
        wanted: row.get(TABLE, 7)?,
        phone_number: row.optional(TABLE, 8)?,
        lid: row.optional(TABLE, 9)?,
        push_name: row.get(TABLE, 10)?,
        last_error: row.optional_json_or(TABLE, 11, unknown_error)?,
        connected_at: row.optional_time(TABLE, 12)?,
        created_at: row.time(TABLE, 13)?,
        updated_at,
        pacing: row.optional_json_or(TABLE, 15, || None)?.unwrap_or_default(),
        first_contact_pause: row.optional_json_or(TABLE, 16, || None)?,
    })
}
