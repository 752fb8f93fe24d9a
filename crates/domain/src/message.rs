//! Messages, inbound and outbound.

use serde::{Deserialize, Serialize};

use crate::{Failure, Jid, MessageId, MessageStatus, Progress, SessionId, TenantId, Timestamp, WaMessageId};

/// Which way a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From a caller of this API to WhatsApp.
    Outbound,
    /// From WhatsApp to the tenant.
    Inbound,
    /// Another version of Waypost wrote a direction that this one does not know. Never written.
    #[serde(other)]
    Unknown,
}

impl Direction {
    /// The name in the API and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Outbound => "outbound",
            Self::Inbound => "inbound",
            Self::Unknown => "unknown",
        }
    }

    /// The direction with this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Outbound, Self::Inbound].into_iter().find(|direction| direction.as_str() == name)
    }
}

/// What a message carries. Stored as JSON, tagged by its kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Content {
    /// Plain text.
    Text {
        /// 1 to [`Content::MAX_TEXT`] characters.
        text: String,
    },
    /// An inbound message of a kind that is not read yet; kept so that nothing is lost silently.
    Unsupported {
        /// The name of the protobuf field that carried it, such as `imageMessage`.
        kind: String,
    },
    /// Another version of Waypost wrote it, and this one cannot read it. Never written.
    #[serde(other)]
    Unknown,
}

impl Content {
    /// The longest text, in characters (Unicode scalar values), that WhatsApp's own clients send.
    pub const MAX_TEXT: usize = 65_536;

    /// Which kind of content it is.
    pub const fn kind(&self) -> MessageKind {
        match self {
            Self::Text { .. } => MessageKind::Text,
            Self::Unsupported { .. } => MessageKind::Unsupported,
            Self::Unknown => MessageKind::Unknown,
        }
    }
}

/// The kinds of content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// Plain text.
    Text,
    /// See [`Content::Unsupported`].
    Unsupported,
    /// See [`Content::Unknown`].
    Unknown,
}

impl MessageKind {
    /// The name in the API and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Unsupported => "unsupported",
            Self::Unknown => "unknown",
        }
    }
}

/// A message on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Its id on the wire, drawn when it was accepted.
    pub wa_id: WaMessageId,
    /// The account or group it goes to.
    pub to: Jid,
    /// What it carries.
    pub content: Content,
}

/// A message that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbound {
    /// Its id on the wire: unique only together with chat and sender.
    pub wa_id: WaMessageId,
    /// The chat: the other person, or the group.
    pub chat: Jid,
    /// Who wrote it.
    pub sender: Jid,
    /// The same person in the other namespace (LID for a number, number for a LID), where it is known.
    pub sender_alt: Option<Jid>,
    /// Whether one of the account's own other devices wrote it.
    pub from_me: bool,
    /// The sender's name for themselves.
    pub push_name: Option<String>,
    /// When it was sent, by the network's clock.
    pub sent_at: Timestamp,
    /// What it carries.
    pub content: Content,
}

/// One step of a message's way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEntry {
    /// The status it reached.
    pub status: MessageStatus,
    /// When: the network's own time for acknowledgements and receipts where it gives one, else ours.
    pub at: Timestamp,
    /// What the network or the engine said, where that helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A message as it stands in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id in the API.
    pub id: MessageId,
    /// Its position in the order of acceptance over the whole installation; lists and cursors go by it.
    pub seq: i64,
    /// Its tenant.
    pub tenant_id: TenantId,
    /// The session that sends or received it.
    pub session_id: SessionId,
    /// Which way it goes.
    pub direction: Direction,
    /// Its id on the wire.
    pub wa_id: WaMessageId,
    /// The chat: the address that WhatsApp resolved the recipient to, or the chat that an inbound message came in. A text,
    /// because another version may know more kinds of addresses.
    pub remote_jid: String,
    /// What the caller wrote in `to`, as [`crate::Recipient::echo`] gives it; for an inbound message the session's own
    /// number, where it is known.
    pub to: Option<String>,
    /// Who wrote it: the sender within the chat for an inbound message, absent for an outbound one.
    pub from: Option<Jid>,
    /// The same person in the other namespace (LID for a number, number for a LID), where it is known.
    pub from_alt: Option<Jid>,
    /// The sender's name for themselves, inbound only.
    pub push_name: Option<String>,
    /// What it carries.
    pub content: Content,
    /// The caller's own reference, echoed back.
    pub client_reference: Option<String>,
    /// How far it came, and why it failed if it did.
    pub progress: Progress,
    /// When it is, or was, to be queued; absent where it was queued at once.
    pub send_at: Option<Timestamp>,
    /// When it fails, or would have failed, unless it is handed to the network before.
    pub expires_at: Option<Timestamp>,
    /// When it was accepted or received.
    pub created_at: Timestamp,
    /// When its row last changed.
    pub updated_at: Timestamp,
    /// Every status it had, in order.
    pub timeline: Vec<TimelineEntry>,
}

impl Message {
    /// Its status.
    pub const fn status(&self) -> MessageStatus {
        self.progress.status
    }

    /// Why it failed, if it did.
    pub const fn failure(&self) -> Option<&Failure> {
        self.progress.failure.as_ref()
    }
}
