//! Events: what subscribers are told. An event's row is in the same commit as the change it tells.

use serde::{Deserialize, Serialize};

use crate::{EventId, MessageStatus, SessionId, SessionStatus, TenantId, Timestamp};

/// The kinds of events, as subscribers name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EventType {
    /// A message came in.
    #[serde(rename = "message.received")]
    MessageReceived,
    /// A message was accepted.
    #[serde(rename = "message.queued")]
    MessageQueued,
    /// WhatsApp's server acknowledged a message.
    #[serde(rename = "message.sent")]
    MessageSent,
    /// A device of the recipient has a message.
    #[serde(rename = "message.delivered")]
    MessageDelivered,
    /// The recipient has seen a message.
    #[serde(rename = "message.read")]
    MessageRead,
    /// A message failed.
    #[serde(rename = "message.failed")]
    MessageFailed,
    /// A session has a QR code to scan.
    #[serde(rename = "session.qr")]
    SessionQr,
    /// A session is connected.
    #[serde(rename = "session.connected")]
    SessionConnected,
    /// A session lost its connection.
    #[serde(rename = "session.disconnected")]
    SessionDisconnected,
    /// A session was unlinked.
    #[serde(rename = "session.logged_out")]
    SessionLoggedOut,
    /// A session's account is restricted.
    #[serde(rename = "session.restricted")]
    SessionRestricted,
    /// Another version of Waypost wrote a kind that this one does not know. Never written.
    #[serde(other, rename = "unknown")]
    Unknown,
}

impl EventType {
    /// Every kind that this version knows.
    pub const ALL: [Self; 11] = [
        Self::MessageReceived,
        Self::MessageQueued,
        Self::MessageSent,
        Self::MessageDelivered,
        Self::MessageRead,
        Self::MessageFailed,
        Self::SessionQr,
        Self::SessionConnected,
        Self::SessionDisconnected,
        Self::SessionLoggedOut,
        Self::SessionRestricted,
    ];

    /// The kind with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The name in the API and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MessageReceived => "message.received",
            Self::MessageQueued => "message.queued",
            Self::MessageSent => "message.sent",
            Self::MessageDelivered => "message.delivered",
            Self::MessageRead => "message.read",
            Self::MessageFailed => "message.failed",
            Self::SessionQr => "session.qr",
            Self::SessionConnected => "session.connected",
            Self::SessionDisconnected => "session.disconnected",
            Self::SessionLoggedOut => "session.logged_out",
            Self::SessionRestricted => "session.restricted",
            Self::Unknown => "unknown",
        }
    }

    /// The event that tells of a message reaching `status`, where one does.
    pub const fn for_message(status: MessageStatus) -> Option<Self> {
        match status {
            MessageStatus::Queued => Some(Self::MessageQueued),
            MessageStatus::Sent => Some(Self::MessageSent),
            MessageStatus::Delivered => Some(Self::MessageDelivered),
            MessageStatus::Read => Some(Self::MessageRead),
            MessageStatus::Failed => Some(Self::MessageFailed),
            MessageStatus::Received => Some(Self::MessageReceived),
            MessageStatus::Scheduled
            | MessageStatus::Sending
            | MessageStatus::Played
            | MessageStatus::Canceled
            | MessageStatus::Unknown => None,
        }
    }

    /// The event that tells of a session reaching `status`, where one does.
    pub const fn for_session(status: SessionStatus) -> Option<Self> {
        match status {
            SessionStatus::Qr => Some(Self::SessionQr),
            SessionStatus::Connected => Some(Self::SessionConnected),
            SessionStatus::Disconnected | SessionStatus::Replaced | SessionStatus::ClientOutdated => {
                Some(Self::SessionDisconnected)
            }
            SessionStatus::LoggedOut => Some(Self::SessionLoggedOut),
            SessionStatus::Restricted => Some(Self::SessionRestricted),
            SessionStatus::Connecting | SessionStatus::Unknown => None,
        }
    }
}

/// An event as it stands in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its id, the same over every repeated delivery.
    pub id: EventId,
    /// Its position in the order of all events; cursors go by it.
    pub seq: i64,
    /// Its tenant.
    pub tenant_id: TenantId,
    /// The session it concerns.
    pub session_id: Option<SessionId>,
    /// What happened.
    pub kind: EventType,
    /// The facts, as subscribers get them.
    pub data: serde_json::Value,
    /// When it happened.
    pub created_at: Timestamp,
}
