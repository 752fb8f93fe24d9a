//! Sessions.

use waypost_domain::{
    EngineKind, EventId, Jid, LastError, PhoneNumber, Session, SessionId, SessionStatus, TenantId, Timestamp,
};

use crate::{Page, PageRequest, Store, StoreError};

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
        }
    }
}

impl Store {
    /// Creates a session.
    pub async fn create_session(&self, _session: NewSession) -> Result<Session, StoreError> {
        unimplemented!()
    }

    /// One session of the tenant.
    pub async fn session(&self, _tenant: TenantId, _session: SessionId) -> Result<Option<Session>, StoreError> {
        unimplemented!()
    }

    /// The tenant's sessions, newest first.
    pub async fn sessions(&self, _tenant: TenantId, _page: PageRequest) -> Result<Page<Session>, StoreError> {
        unimplemented!()
    }

    /// How many sessions the tenant has.
    pub async fn count_sessions(&self, _tenant: TenantId) -> Result<u64, StoreError> {
        unimplemented!()
    }

    /// Every session that is wanted and linked: what comes back after a restart.
    pub async fn sessions_to_resume_system(&self) -> Result<Vec<Session>, StoreError> {
        unimplemented!()
    }

    /// After a start no socket is alive: every `connecting`, `qr` and `connected` becomes `disconnected`.
    pub async fn reset_session_states_system(&self, _now: Timestamp) -> Result<u64, StoreError> {
        unimplemented!()
    }

    /// Changes a session and returns it as it is now; `None` where the tenant has no such session.
    pub async fn change_session(
        &self,
        _tenant: TenantId,
        _session: SessionId,
        _change: SessionChange,
    ) -> Result<Option<Session>, StoreError> {
        unimplemented!()
    }

    /// Deletes a session and its credentials. Its messages stay readable; those still waiting fail with
    /// `SESSION_GONE` in the same commit. `false` where the tenant has no such session.
    pub async fn delete_session(
        &self,
        _tenant: TenantId,
        _session: SessionId,
        _now: Timestamp,
    ) -> Result<bool, StoreError> {
        unimplemented!()
    }
}
