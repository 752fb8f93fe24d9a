//! `POST /api/messages/send-text`

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use waypost_domain::{Content, MessageId, MessageStatus, Recipient, SessionId, Timestamp};
use waypost_gateway::messages::{Accepted, SendMessage};

use super::statuses;
use crate::{
    App,
    auth::{SendMessages, Tenant},
    envelope::Success,
    error::ApiError,
    input::{Fields, FromFields, Once, once::Replayed, rules},
    openapi,
    openapi::{Authenticated, BadBody, Missing, Unavailable},
};

/// A text to send.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[serde(deny_unknown_fields)]
pub struct SendTextRequest {
    /// The session that is to send it.
    #[schema(value_type = Uuid, example = "0192f3a0-0000-7000-8000-000000000001")]
    session_id: SessionId,
    /// An international number in digits (`+`, blanks, dashes, dots, brackets and what shows nothing are tolerated), or a
    /// JID (`…@s.whatsapp.net`, `…@lid`, `…@g.us`).
    #[schema(
        value_type = String,
        pattern = r"^(\+?[1-9]([ -]?[0-9]){6,14}|[1-9][0-9]{6,14}@s\.whatsapp\.net|[0-9]{1,32}@lid|[0-9]{1,31}(-[0-9]{1,31})?@g\.us)$",
        example = "919876543210"
    )]
    to: Recipient,
    /// 1 to 65,536 characters with something to see among them, sent exactly as they are.
    #[schema(min_length = 1, max_length = 65536, pattern = r"\S", example = "Hello from Waypost!")]
    text: String,
    /// Your own reference, given back with the message.
    #[schema(min_length = 1, max_length = 255, example = "order-1138")]
    client_reference: Option<String>,
    /// When to send it: up to 35 days ahead. Absent for now.
    #[schema(value_type = Option<String>, format = DateTime)]
    send_at: Option<Timestamp>,
    /// When it fails with `EXPIRED`, and is never sent, unless WhatsApp got it before. By default a day after it was
    /// accepted, or after `sendAt`; the setting `message_expiry` says so.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// Whether to refuse with `WHATSAPP_UNAVAILABLE`, instead of queueing, while the session is not connected.
    #[schema(default = false, example = false)]
    require_connected: Option<bool>,
    /// Whether to look the number up first: one without an account is refused with `NOT_ON_WHATSAPP`, and nothing is
    /// queued. The form that was given is asked for first, then the other forms of its country (Brazil, Mexico,
    /// Argentina, Ivory Coast, Benin, Gabon); the message goes to the address that WhatsApp gives (`remoteJid`). Groups
    /// and LIDs are not looked up.
    #[schema(default = false, example = false)]
    check_number: Option<bool>,
}

impl FromFields for SendTextRequest {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let session_id = fields.required("sessionId", rules::id);
        let to = fields.required("to", rules::parsed);
        let text = fields.required("text", rules::visible_text(1..=Content::MAX_TEXT));
        let client_reference = fields.optional("clientReference", rules::text(1..=255));
        let require_connected = fields.optional("requireConnected", rules::boolean);
        let send_at = fields.optional("sendAt", rules::time);
        let expires_at = fields.optional("expiresAt", rules::time);
        let check_number = fields.optional("checkNumber", rules::boolean);
        fields.not_supported_yet(&["quotedMessageId", "mentions"]);
        let (session_id, to, text) = (session_id?, to?, text?);
        Some(Self { session_id, to, text, client_reference, send_at, expires_at, require_connected, check_number })
    }
}

/// A message that is on disk and will be sent.
#[derive(Serialize, ToSchema)]
#[schema(as = Accepted)]
pub struct AcceptedAnswer {
    #[schema(value_type = Uuid)]
    id: MessageId,
    /// `queued`; `scheduled` where `sendAt` is still to come.
    #[schema(schema_with = statuses)]
    status: MessageStatus,
    /// The digits of the number, or the JID.
    #[schema(example = "919876543210")]
    to: String,
}

impl From<Accepted> for AcceptedAnswer {
    fn from(Accepted { id, status, to, .. }: Accepted) -> Self {
        Self { id, status, to }
    }
}

/// Send a text
///
/// Answers `queued` once the message is on disk. It goes out in the order of its chat, as soon as the session is
/// connected; `GET …/messages/{id}` tells how far it came. With `sendAt` it answers `scheduled`, and the message is
/// queued when its time comes.
///
/// With the header `Idempotency-Key` a request may be repeated without fear: one message comes of all requests with
/// one key, and each gets the first answer, repeats with the header `Idempotency-Replayed: true`.
#[utoipa::path(
    post,
    path = "/messages/send-text",
    operation_id = "sendText",
    tag = "Messages",
    params(openapi::IdempotencyKeyHeader),
    request_body = SendTextRequest,
    responses(
        (status = 200, description = "Queued", body = Success<AcceptedAnswer>,
            headers(("Idempotency-Replayed" = bool, description = "`true` where this is the answer to an earlier request with the same `Idempotency-Key`.")),
            example = json!({ "success": true, "data": { "id": "0192f3a0-2222-7000-8000-000000000001", "status": "queued", "to": "919876543210" } })),
        BadBody, openapi::Once, Missing, Unavailable, Authenticated,
    ),
)]
pub async fn send_text(
    State(app): State<App>,
    tenant: Tenant<SendMessages>,
    Once { idempotency, request }: Once<SendTextRequest>,
) -> Result<(Replayed, Success<AcceptedAnswer>), ApiError> {
    let message = SendMessage {
        session_id: request.session_id,
        to: request.to,
        content: Content::Text { text: request.text },
        client_reference: request.client_reference,
        require_connected: request.require_connected.unwrap_or(false),
        send_at: request.send_at,
        expires_at: request.expires_at,
        idempotency,
        check_number: request.check_number.unwrap_or(false),
    };
    let accepted = app.gateway.accept_message(tenant.id, message).await?;
    Ok((Replayed(accepted.replayed), Success::new(accepted.into())))
}
