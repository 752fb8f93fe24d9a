//! Messages: send, cancel, get, list; numbers: check.

pub mod cancel;
pub mod check_numbers;
pub mod get;
pub mod list;
pub mod send_text;

use serde::Serialize;
use utoipa::{ToSchema, openapi::schema::Object};
use waypost_domain::{
    Content, Direction, FailureCode, Jid, JidServer, Message, MessageId, MessageKind, MessageStatus, PhoneNumber,
    SessionId, TimelineEntry, Timestamp,
};

use crate::openapi;

/// A message, sent or received.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Message)]
pub struct MessageAnswer {
    #[schema(value_type = Uuid)]
    id: MessageId,
    /// The session that sends or received it.
    #[schema(value_type = Uuid)]
    session_id: SessionId,
    #[schema(schema_with = statuses)]
    status: MessageStatus,
    #[schema(schema_with = directions)]
    direction: Direction,
    /// `unsupported` is an inbound message of a kind that is not read yet; `unknown` is what another version of Waypost wrote
    /// and this one cannot read.
    #[serde(rename = "type")]
    #[schema(schema_with = kinds)]
    kind: MessageKind,
    /// The number or JID that was written in `to`; the session's own number for an inbound message.
    #[schema(required = true, example = "919876543210")]
    to: Option<String>,
    /// The chat, as WhatsApp resolved it.
    #[schema(example = "919876543210@s.whatsapp.net")]
    remote_jid: String,
    /// Who wrote it. Inbound only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "919876543210@s.whatsapp.net")]
    from: Option<Jid>,
    /// The writer's phone number in digits; null where it is not known. Inbound only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false, example = "919876543210")]
    #[expect(clippy::option_option, reason = "absent from an outbound message, null where it is not known")]
    phone_number: Option<Option<PhoneNumber>>,
    /// The writer's LID; null where it is not known. Inbound only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false, example = "123456789012345@lid")]
    #[expect(clippy::option_option, reason = "absent from an outbound message, null where it is not known")]
    lid: Option<Option<Jid>>,
    /// The writer's name for themselves. Inbound only, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    push_name: Option<String>,
    /// The text, where the type has one.
    #[schema(required = true, example = "Hello from Waypost!")]
    text: Option<String>,
    /// Your own reference, as it was sent.
    #[schema(required = true, example = "order-1138")]
    client_reference: Option<String>,
    /// When it is, or was, to be sent. Only where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    send_at: Option<Timestamp>,
    /// When it fails with `EXPIRED` unless WhatsApp has it before. Only where there is such a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    expires_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// Every status it had, in order.
    timeline: Vec<TimelineAnswer>,
    /// Why it failed. Only with the status `failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    error: Option<FailureAnswer>,
}

/// One step of a message's way.
#[derive(Serialize, ToSchema)]
#[schema(as = TimelineEntry)]
pub struct TimelineAnswer {
    #[schema(schema_with = statuses)]
    status: MessageStatus,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// What WhatsApp said, where that helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
}

/// Why a message failed.
#[derive(Serialize, ToSchema)]
#[schema(as = Failure)]
pub struct FailureAnswer {
    /// A stable code to act upon.
    #[schema(schema_with = failure_codes)]
    code: FailureCode,
    /// What happened and what to do.
    message: &'static str,
}

impl From<Message> for MessageAnswer {
    fn from(message: Message) -> Self {
        let status = message.status();
        let error =
            message.failure().map(|failure| FailureAnswer { code: failure.code, message: failure.code.sentence() });
        let kind = message.content.kind();
        let text = match message.content {
            Content::Text { text } => Some(text),
            Content::Unsupported { .. } | Content::Unknown => None,
        };
        let step = |TimelineEntry { status, at, reason }| TimelineAnswer { status, at, reason };
        let is_inbound = message.direction == Direction::Inbound;
        let by = |server| message.from.iter().chain(&message.from_alt).find(|jid| jid.server() == server);
        Self {
            id: message.id,
            session_id: message.session_id,
            status,
            direction: message.direction,
            kind,
            to: message.to,
            remote_jid: message.remote_jid,
            phone_number: is_inbound.then(|| by(JidServer::PhoneNumber).and_then(Jid::phone_number)),
            lid: is_inbound.then(|| by(JidServer::Lid).cloned()),
            from: message.from,
            push_name: message.push_name,
            text,
            client_reference: message.client_reference,
            send_at: message.send_at,
            expires_at: message.expires_at,
            created_at: message.created_at,
            updated_at: message.updated_at,
            timeline: message.timeline.into_iter().map(step).collect(),
            error,
        }
    }
}

const DIRECTIONS: [Direction; 2] = [Direction::Outbound, Direction::Inbound];

/// What a list can be asked for.
fn known_statuses() -> Object {
    openapi::one_of(MessageStatus::ALL.map(MessageStatus::as_str))
}

/// What a list can be asked for.
fn known_directions() -> Object {
    openapi::one_of(DIRECTIONS.map(Direction::as_str))
}

fn statuses() -> Object {
    openapi::one_of_or(MessageStatus::ALL.map(MessageStatus::as_str), MessageStatus::Unknown.as_str())
}

fn directions() -> Object {
    openapi::one_of_or(DIRECTIONS.map(Direction::as_str), Direction::Unknown.as_str())
}

fn kinds() -> Object {
    let known = [MessageKind::Text, MessageKind::Unsupported];
    openapi::one_of_or(known.map(MessageKind::as_str), MessageKind::Unknown.as_str())
}

fn failure_codes() -> Object {
    openapi::one_of_or(FailureCode::ALL.map(FailureCode::as_str), FailureCode::Unknown.as_str())
}
