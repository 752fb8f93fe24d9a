//! Sessions: linked WhatsApp accounts, and sandbox ones.

use serde::{Deserialize, Serialize};

use crate::{FirstContactPause, Jid, PacingChoice, PhoneNumber, SessionId, TenantId, Timestamp};

/// Which network a session belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineKind {
    /// WhatsApp.
    Whatsapp,
    /// Pretend phones inside the process.
    Sandbox,
    /// Another version of Waypost made the session, for a network that this one does not know. Never written.
    #[serde(other)]
    Unknown,
}

impl EngineKind {
    /// The name in the API and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Whatsapp => "whatsapp",
            Self::Sandbox => "sandbox",
            Self::Unknown => "unknown",
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
    /// Another version of Waypost wrote a state that this one does not know. Never written. Way out: connect.
    #[serde(other)]
    Unknown,
}

impl SessionStatus {
    /// Every status that this version knows.
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
            Self::Unknown => "unknown",
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
    /// When it is tried again without anybody asking, where it is.
    #[serde(default, rename = "retryAt", skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// How often in a row the same thing has happened, where that makes the pauses grow; else 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempts: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl LastError {
    /// An error that is not tried again by itself.
    pub fn new(code: &str, message: impl Into<String>, at: Timestamp) -> Self {
        Self { code: code.to_owned(), message: message.into(), at, until: None, retry_at: None, attempts: 0 }
    }
}

/// A version of WhatsApp's own web client, such as `2.3000.1023456789`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientVersion(pub u32, pub u32, pub u32);

impl std::fmt::Display for ClientVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// A text is no version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAVersion;

impl std::fmt::Display for NotAVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Must be three numbers with dots between them, such as 2.3000.1023456789")
    }
}

impl std::error::Error for NotAVersion {}

impl std::str::FromStr for ClientVersion {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        // A sign or a space is no digit, though `parse` takes a plus.
        let number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten();
        let parts: Option<Vec<u32>> = text.split('.').map(number).collect();
        match parts.as_deref() {
            Some(&[major, minor, patch]) => Ok(Self(major, minor, patch)),
            _ => Err(NotAVersion),
        }
    }
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
    /// The pace that its tenant chose for it.
    pub pacing: PacingChoice,
    /// The last pause of first contacts; it may be over.
    pub first_contact_pause: Option<FirstContactPause>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its row last changed.
    pub updated_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_has_three_numbers_and_is_written_as_it_is_read() {
        assert_eq!("2.3000.1023456789".parse(), Ok(ClientVersion(2, 3000, 1_023_456_789)));
        assert_eq!(ClientVersion(2, 3000, 1).to_string(), "2.3000.1");
        for wrong in ["", "2.3000", "2.3000.x", "2.3000.1.1", "2.3000.+1", "2.3000. 1", "2.3000.99999999999"] {
            assert_eq!(wrong.parse::<ClientVersion>(), Err(NotAVersion), "{wrong}");
        }
    }
}
