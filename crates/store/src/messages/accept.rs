//! Accepting: an outbound message becomes a row, `queued` or `scheduled`.

use sea_orm::Value;
use waypost_domain::{Direction, EventId, EventType, MessageStatus, TimelineEntry};

use super::{AcceptOutcome, NewIdempotency, NewOutbound, event_data::MessageData, idempotency, idempotency::KeyRow};
use crate::{
    StoreError, events,
    events::NewEvent,
    sql,
    writer::{Pending, Tx},
};

const COLUMNS: usize = 16;

/// The rows of an accepted message, made ready by the caller so that the writer only copies them.
#[derive(Debug)]
pub(crate) struct AcceptRows {
    status: MessageStatus,
    message: [Value; COLUMNS],
    /// Tells that it is queued, where it is.
    event: Option<NewEvent>,
    /// What makes it the only one with its key.
    pub(super) key: Option<KeyRow>,
}

/// An accepted message with its caller.
pub(crate) type PendingAccept = Pending<Box<AcceptRows>, AcceptOutcome>;

impl AcceptRows {
    pub fn new(message: &NewOutbound, once: Option<NewIdempotency>, event_id: EventId) -> Self {
        let at = message.created_at;
        let status = message.status();
        let remote_jid = message.remote_jid.to_string();
        let content_kind = message.content.kind().as_str();
        let data = MessageData {
            id: message.id,
            session_id: message.session_id,
            status,
            direction: Direction::Outbound,
            to: Some(&message.to),
            remote_jid: &remote_jid,
            kind: content_kind,
            client_reference: message.client_reference.as_deref(),
            error: None,
            received: None,
            at,
        };
        let event = EventType::for_message(status).map(|kind| NewEvent {
            id: event_id,
            tenant_id: message.tenant_id,
            session_id: Some(message.session_id),
            kind,
            data: sql::json(&data),
            created_at: at,
        });
        let step = TimelineEntry { status, at, reason: None };
        let key = once.map(|once| KeyRow::new(message.tenant_id, message.id, at, once));
        let message = [
            message.id.as_uuid().into(),
            message.tenant_id.as_uuid().into(),
            message.session_id.as_uuid().into(),
            Direction::Outbound.as_str().into(),
            message.wa_id.as_str().into(),
            remote_jid.into(),
            sql::free_text(&message.to),
            content_kind.into(),
            sql::json(&message.content).into(),
            sql::optional_free_text(message.client_reference.as_deref()),
            status.as_str().into(),
            sql::optional_time(message.send_at),
            sql::optional_time(message.expires_at),
            at.as_millis().into(),
            at.as_millis().into(),
            sql::json(&step).into(),
        ];
        Self { status, message, event, key }
    }
}

/// Writes accepted messages in their order, but for those whose keys were used before.
pub(crate) async fn accept(tx: &Tx, mut requests: Vec<&mut PendingAccept>) -> Result<(), StoreError> {
    if requests.iter().any(|request| request.input.key.is_some()) {
        requests = idempotency::admit(tx, requests).await?;
    }
    for chunk in sql::chunks(&requests) {
        let sql = format!(
            "INSERT INTO messages (id, tenant_id, session_id, direction, wa_id, remote_jid, recipient, kind, content,
             client_reference, status, send_at, expires_at, created_at, updated_at, timeline) VALUES {}",
            sql::tuples(1, chunk.len(), COLUMNS)
        );
        tx.execute(sql, chunk.iter().flat_map(|request| request.input.message.clone()).collect()).await?;
    }
    let events: Vec<NewEvent> = requests.iter().filter_map(|request| request.input.event.clone()).collect();
    events::append(tx, &events).await?;
    for request in requests {
        tx.tally.accepted(request.input.status);
        request.outcome = Some(AcceptOutcome::Accepted);
    }
    Ok(())
}
