//! The facts of a `message.*` event, as subscribers get them.

use serde::Serialize;
use waypost_domain::{Direction, MessageId, MessageStatus, SessionId, Timestamp};

use crate::events::ErrorData;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessageData<'a> {
    pub id: MessageId,
    pub session_id: SessionId,
    pub status: MessageStatus,
    pub direction: Direction,
    pub to: Option<&'a str>,
    pub remote_jid: &'a str,
    #[serde(rename = "type")]
    pub kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_reference: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorData>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub received: Option<ReceivedData<'a>>,
    /// When it happened.
    pub at: Timestamp,
}

/// What `message.received` says beyond the others.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReceivedData<'a> {
    pub from: String,
    /// The writer's number, where it is known.
    pub phone_number: Option<&'a str>,
    /// The writer's LID, where it is known.
    pub lid: Option<String>,
    pub push_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<&'a str>,
    /// By the network's clock.
    pub sent_at: Timestamp,
}
