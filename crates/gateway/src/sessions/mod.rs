//! Sessions: create, list, get, connect, QR, pairing code, status, disconnect, logout, delete.

use waypost_domain::{EngineKind, PhoneNumber, Session, SessionId, SessionStatus, TenantId, Timestamp};
use waypost_engine::PairingCode;
use waypost_store::{Page, PageRequest};

use crate::{Gateway, GatewayError};

/// A QR code to scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qr {
    /// The text to show as a QR code.
    pub code: String,
    /// When it stops working.
    pub expires_at: Timestamp,
}

/// A session with what only memory knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionView {
    /// The row.
    pub session: Session,
    /// The QR code that waits now.
    pub qr: Option<Qr>,
}

impl Gateway {
    /// Creates a session, disconnected.
    pub async fn create_session(
        &self,
        _tenant: TenantId,
        _name: String,
        _engine: EngineKind,
    ) -> Result<SessionView, GatewayError> {
        unimplemented!()
    }

    /// The tenant's sessions, newest first.
    pub async fn list_sessions(
        &self,
        _tenant: TenantId,
        _page: PageRequest,
    ) -> Result<Page<SessionView>, GatewayError> {
        unimplemented!()
    }

    /// One session.
    pub async fn get_session(&self, _tenant: TenantId, _session: SessionId) -> Result<SessionView, GatewayError> {
        unimplemented!()
    }

    /// Starts linking or reconnecting. Answers with the state at once where the session is linked, else as soon as a QR
    /// code is there, after 10 s at most. Connecting a connected session changes nothing.
    pub async fn connect_session(&self, _tenant: TenantId, _session: SessionId) -> Result<SessionView, GatewayError> {
        unimplemented!()
    }

    /// The QR code that waits now; a conflict that says what to do where none does.
    pub async fn session_qr(&self, _tenant: TenantId, _session: SessionId) -> Result<Qr, GatewayError> {
        unimplemented!()
    }

    /// A code to type into the phone with this number instead of scanning a QR code. Connects first where needed.
    pub async fn session_pairing_code(
        &self,
        _tenant: TenantId,
        _session: SessionId,
        _number: PhoneNumber,
    ) -> Result<PairingCode, GatewayError> {
        unimplemented!()
    }

    /// The state alone, cheap to poll.
    pub async fn session_status(&self, _tenant: TenantId, _session: SessionId) -> Result<SessionStatus, GatewayError> {
        unimplemented!()
    }

    /// Closes the connection and keeps the link.
    pub async fn disconnect_session(
        &self,
        _tenant: TenantId,
        _session: SessionId,
    ) -> Result<SessionView, GatewayError> {
        unimplemented!()
    }

    /// Unlinks the device and forgets its credentials.
    pub async fn logout_session(&self, _tenant: TenantId, _session: SessionId) -> Result<SessionView, GatewayError> {
        unimplemented!()
    }

    /// Logs out, then deletes. The session's messages stay readable.
    pub async fn delete_session(&self, _tenant: TenantId, _session: SessionId) -> Result<(), GatewayError> {
        unimplemented!()
    }
}
