//! Receiving: an inbound message becomes a row, once.

use std::collections::HashSet;

use sea_orm::{DatabaseConnection, Value};
use uuid::Uuid;
use waypost_domain::{
    Content, Direction, EventId, EventType, Jid, JidServer, MessageStatus, SessionId, TimelineEntry, WaMessageId,
};

use super::{InboundOutcome, NewInbound, event_data::MessageData, event_data::ReceivedData};
use crate::{
    StoreError, events,
    events::NewEvent,
    sql::{self, Sql},
    writer::{Pending, Tx},
};

const COLUMNS: usize = 16;

/// The rows of an inbound message, made ready by the caller so that the writer only copies them.
#[derive(Debug)]
pub(crate) struct InboundRows {
    id: Uuid,
    message: [Value; COLUMNS],
    event: NewEvent,
}

impl InboundRows {
    pub fn new(message: &NewInbound, event_id: EventId) -> Self {
        let inbound = &message.inbound;
        let chat = inbound.chat.to_string();
        let sender = inbound.sender.to_string();
        let kind = inbound.content.kind().as_str();
        let text = match &inbound.content {
            Content::Text { text } => Some(text.as_str()),
            Content::Unsupported { .. } | Content::Unknown => None,
        };
        let by = |server| {
            [Some(&inbound.sender), inbound.sender_alt.as_ref()]
                .into_iter()
                .flatten()
                .find(|jid| jid.server() == server)
        };
        let data = MessageData {
            id: message.id,
            session_id: message.session_id,
            status: MessageStatus::Received,
            direction: Direction::Inbound,
            to: message.to.as_deref(),
            remote_jid: &chat,
            kind,
            client_reference: None,
            error: None,
            received: Some(ReceivedData {
                from: sender.clone(),
                phone_number: by(JidServer::PhoneNumber).map(Jid::user),
                lid: by(JidServer::Lid).map(ToString::to_string),
                push_name: inbound.push_name.as_deref(),
                text,
                sent_at: inbound.sent_at,
            }),
            at: message.received_at,
        };
        let event = NewEvent {
            id: event_id,
            tenant_id: message.tenant_id,
            session_id: Some(message.session_id),
            kind: EventType::MessageReceived,
            data: sql::json(&data),
            created_at: message.received_at,
        };
        let received = TimelineEntry { status: MessageStatus::Received, at: inbound.sent_at, reason: None };
        let id = message.id.as_uuid();
        let message = [
            id.into(),
            message.tenant_id.as_uuid().into(),
            message.session_id.as_uuid().into(),
            Direction::Inbound.as_str().into(),
            sql::free_text(inbound.wa_id.as_str()),
            chat.into(),
            sql::optional_free_text(message.to.as_deref()),
            sender.into(),
            Value::String(inbound.sender_alt.as_ref().map(ToString::to_string)),
            sql::optional_free_text(inbound.push_name.as_deref()),
            kind.into(),
            sql::json(&inbound.content).into(),
            MessageStatus::Received.as_str().into(),
            message.received_at.as_millis().into(),
            message.received_at.as_millis().into(),
            sql::json(&received).into(),
        ];
        Self { id, message, event }
    }
}

/// Whether the session has this inbound message.
pub(super) async fn is_there(
    read: &Sql<DatabaseConnection>,
    session: SessionId,
    wa_id: &WaMessageId,
) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM messages WHERE session_id = $1 AND direction = 'inbound' AND wa_id = $2 LIMIT 1";
    let found = read.one(sql.to_owned(), vec![session.as_uuid().into(), sql::free_text(wa_id.as_str())]).await?;
    Ok(found.is_some())
}

/// Writes inbound messages that are not there yet, in their order, and the events of those alone.
pub(crate) async fn receive(
    tx: &Tx,
    requests: Vec<&mut Pending<Vec<InboundRows>, Vec<InboundOutcome>>>,
) -> Result<(), StoreError> {
    let rows: Vec<&InboundRows> = requests.iter().flat_map(|request| &request.input).collect();
    let mut stored: HashSet<Uuid> = HashSet::with_capacity(rows.len());
    for chunk in sql::chunks(&rows) {
        let sql = format!(
            "INSERT INTO messages (id, tenant_id, session_id, direction, wa_id, remote_jid, recipient, sender,
             sender_alt, push_name, kind, content, status, created_at, updated_at, timeline) VALUES {}
             ON CONFLICT (session_id, remote_jid, sender, wa_id) WHERE direction = 'inbound' DO NOTHING RETURNING id",
            sql::tuples(1, chunk.len(), COLUMNS)
        );
        for row in tx.all(sql, chunk.iter().flat_map(|row| row.message.clone()).collect()).await? {
            stored.insert(row.get("messages", 0)?);
        }
    }
    let news: Vec<NewEvent> = rows.iter().filter(|row| stored.contains(&row.id)).map(|row| row.event.clone()).collect();
    events::append(tx, &news).await?;
    tx.tally.reached(MessageStatus::Received, None, stored.len());
    for request in requests {
        let outcome = |row: &InboundRows| {
            if stored.contains(&row.id) { InboundOutcome::Stored } else { InboundOutcome::Repeat }
        };
        request.outcome = Some(request.input.iter().map(outcome).collect());
    }
    Ok(())
}
