//! Sessions: linked WhatsApp accounts, and sandbox ones.

use serde::{Deserialize, Serialize};

use crate::{Jid, PhoneNumber, SessionId, TenantId, Timestamp};

/// Which network a session belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineKind {
    /// WhatsApp.
    Whatsapp,
    /// Pretend phones inside the process.
    Sandbox,
}

impl EngineKind {
    /// The name in the API and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Whatsapp => "whatsapp",
            Self::Sandbox => "sandbox",
        }
    }

    /// The engine with this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Whatsapp, Self::Sandbox].into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A session's state. `Connected` is said only while the socket is proved alive; every state has a way out through
/// the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionStatus {
    /// No connection. Way out: connect.
    Disconnected,
    /// A connection is being made. Way out: wait, or disconnect.
    Connecting,
    /// A QR code or pairing code waits for a phone. Way out: scan it, or disconnect.
    Qr,
    /// Logged in, socket alive.
    Connected,
    /// The device was unlinked. Way out: connect, which gives a new QR.
    LoggedOut,
    /// WhatsApp banned or locked the account for a time. Way out: wait until it ends, then connect.
    Restricted,
    /// WhatsApp refuses this client's version. Way out: set a new version, then connect.
    ClientOutdated,
    /// Another client took the connection over. Way out: stop it, then connect.
    Replaced,
}

impl SessionStatus {
    /// Every status.
    pub const ALL: [Self; 8] = [
        Self::Disconnected,
        Self::Connecting,
        Self::Qr,
        Self::Connected,
        Self::LoggedOut,
        Self::Restricted,
        Self::ClientOutdated,
        Self::Replaced,
    ];

    /// The name in the API and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disconnected => "disconnected",
            Self::Connecting => "connecting",
            Self::Qr => "qr",
            Self::Connected => "connected",
            Self::LoggedOut => "logged_out",
            Self::Restricted => "restricted",
            Self::ClientOutdated => "client_outdated",
            Self::Replaced => "replaced",
        }
    }

    /// The status with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

impl std::fmt::Display for SessionStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a session left `connected`, or could not get there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastError {
    /// A stable code, such as `LOGGED_OUT` or `CONNECTION_LOST`.
    pub code: String,
    /// A sentence that says what to do.
    pub message: String,
    /// When it happened.
    pub at: Timestamp,
    /// When a restriction ends, where WhatsApp said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// A session as it stands in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Its tenant.
    pub tenant_id: TenantId,
    /// Its name, chosen by the tenant.
    pub name: String,
    /// Its network.
    pub engine: EngineKind,
    /// Its state.
    pub status: SessionStatus,
    /// Whether it is linked to an account: it has credentials to log in with.
    pub linked: bool,
    /// Whether it should be connected: set by connect, cleared by disconnect and logout. What is wanted and linked
    /// comes back by itself after a restart.
    pub wanted: bool,
    /// The account's number, once linked.
    pub phone_number: Option<PhoneNumber>,
    /// The account's LID, once known.
    pub lid: Option<Jid>,
    /// The account's name for itself, once known.
    pub push_name: Option<String>,
    /// Why it left `connected`, or could not get there.
    pub last_error: Option<LastError>,
    /// When it last became `connected`.
    pub connected_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its row last changed.
    pub updated_at: Timestamp,
}
