//! Recording evidence: acknowledgements, refusals, receipts, cancellations.

use std::collections::HashMap;

use sea_orm::Value;
use waypost_domain::{MessageId, SessionId, WaMessageId};

use super::{
    Evidence, EvidenceOutcome, MessageRef,
    advance::{Movement, STANDING, Standing},
};
use crate::{
    StoreError,
    sql::{self, Row},
    writer::{Pending, Tx},
};

/// Applies evidence in its order: the second piece about a message finds it where the first left it.
pub(crate) async fn record(
    tx: &Tx,
    requests: Vec<&mut Pending<Vec<Evidence>, Vec<EvidenceOutcome>>>,
) -> Result<(), StoreError> {
    let found = find(tx, requests.iter().flat_map(|request| &request.input)).await?;
    let (mut movement, index) = (found.movement, found.index);
    for request in requests {
        let mut outcomes = Vec::with_capacity(request.input.len());
        for evidence in &request.input {
            let position = match &evidence.message {
                MessageRef::Id(id) => index.by_id.get(&(evidence.session_id, *id)),
                MessageRef::Wire(wa_id) => index.by_wire.get(&(evidence.session_id, wa_id.clone())),
            };
            outcomes.push(position.map_or(EvidenceOutcome::Unknown, |position| {
                movement.advance(*position, &evidence.change, evidence.at, tx)
            }));
        }
        request.outcome = Some(outcomes);
    }
    movement.write(tx).await
}

/// The messages that evidence is about, each read once however it was named.
#[derive(Default)]
struct Found {
    movement: Movement,
    positions: HashMap<MessageId, usize>,
    index: Index,
}

/// Positions in the movement by both names. The session is part of the name: no session can speak of another's.
#[derive(Default)]
struct Index {
    by_id: HashMap<(SessionId, MessageId), usize>,
    by_wire: HashMap<(SessionId, WaMessageId), usize>,
}

impl Found {
    fn add(&mut self, row: &Row) -> Result<(usize, SessionId, MessageId), StoreError> {
        let message = Standing::read(row)?;
        let (session, id) = (message.session_id, message.id);
        let position = *self.positions.entry(id).or_insert_with(|| {
            self.movement.messages.push(message);
            self.movement.messages.len() - 1
        });
        Ok((position, session, id))
    }
}

async fn find(tx: &Tx, evidence: impl Iterator<Item = &Evidence>) -> Result<Found, StoreError> {
    let mut ids: Vec<MessageId> = Vec::new();
    let mut wires: Vec<(SessionId, &WaMessageId)> = Vec::new();
    for piece in evidence {
        match &piece.message {
            MessageRef::Id(id) => ids.push(*id),
            MessageRef::Wire(wa_id) => wires.push((piece.session_id, wa_id)),
        }
    }
    ids.sort_unstable();
    ids.dedup();
    wires.sort_unstable();
    wires.dedup();

    let mut found = Found::default();
    for chunk in sql::chunks(&ids) {
        for row in tx.all(by_id_sql(chunk.len()), chunk.iter().map(|id| id.as_uuid().into()).collect()).await? {
            let (position, session, id) = found.add(&row)?;
            found.index.by_id.insert((session, id), position);
        }
    }
    for chunk in sql::chunks(&wires) {
        let values = chunk
            .iter()
            .flat_map(|(session, wa_id)| -> [Value; 2] { [session.as_uuid().into(), sql::free_text(wa_id.as_str())] });
        for row in tx.all(by_wire_sql(chunk.len()), values.collect()).await? {
            let (position, session, _) = found.add(&row)?;
            let wa_id: String = row.get("messages", 11)?;
            found.index.by_wire.insert((session, WaMessageId::from(wa_id)), position);
        }
    }
    Ok(found)
}

pub(super) fn by_id_sql(count: usize) -> String {
    format!("SELECT {STANDING} FROM messages AS m WHERE m.id IN ({})", sql::list(1, count))
}

/// CROSS JOIN keeps SQLite from walking all messages: names first, then one index lookup each.
pub(super) fn by_wire_sql(count: usize) -> String {
    format!(
        "SELECT {STANDING}, m.wa_id FROM (VALUES {}) AS v CROSS JOIN messages AS m
         WHERE m.session_id = v.column1 AND m.wa_id = v.column2 AND m.on_wire",
        sql::tuples(1, count, 2)
    )
}
