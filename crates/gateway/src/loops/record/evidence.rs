//! Engine events about messages, as evidence.

use waypost_domain::{Env, Failure, MessageStatus, SessionId, StatusChange, Timestamp, WaMessageId};
use waypost_engine::{EngineEvent, ReceiptKind};
use waypost_store::{Evidence, MessageRef};

/// The evidence in an event; `None` where it is not about messages.
pub(super) fn evidence(session: SessionId, event: &EngineEvent, env: &Env) -> Option<Vec<Evidence>> {
    // A network's clock may run ahead of ours, and nothing of ours happens in the future.
    let at = |at: Timestamp| at.min(env.now());
    let piece = |wa_id: &WaMessageId, change, at, reason| Evidence {
        session_id: session,
        message: MessageRef::Wire(wa_id.clone()),
        change,
        at,
        reason,
    };
    match event {
        EngineEvent::Acked { wa_id, at: when } => {
            Some(vec![piece(wa_id, StatusChange::To(MessageStatus::Sent), at(*when), None)])
        }
        EngineEvent::Refused { wa_id, code, reason, at: when } => {
            let failure = Failure { code: *code, reason: Some(reason.clone()) };
            Some(vec![piece(wa_id, StatusChange::Failed(failure), at(*when), Some(reason.clone()))])
        }
        EngineEvent::Receipt { wa_ids, kind, at: when, .. } => {
            let status = match kind {
                ReceiptKind::Delivered => MessageStatus::Delivered,
                ReceiptKind::Read => MessageStatus::Read,
                ReceiptKind::Played => MessageStatus::Played,
            };
            let when = at(*when);
            Some(wa_ids.iter().map(|wa_id| piece(wa_id, StatusChange::To(status), when, None)).collect())
        }
        EngineEvent::Qr { .. }
        | EngineEvent::QrExhausted
        | EngineEvent::Linked { .. }
        | EngineEvent::Connecting
        | EngineEvent::Connected { .. }
        | EngineEvent::ConnectionLost { .. }
        | EngineEvent::Ended(_) => None,
    }
}
