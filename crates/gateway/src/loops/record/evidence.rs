//! What a network says about messages, as evidence.

use waypost_domain::{
    Env, Failure, MessageEvent, MessageStatus, ReceiptKind, SessionId, StatusChange, Timestamp, WaMessageId,
};
use waypost_store::{Evidence, MessageRef};

/// The evidence in an event.
pub(super) fn evidence(session: SessionId, event: &MessageEvent, env: &Env) -> Vec<Evidence> {
    // A network's clock may run ahead of ours, and nothing of ours happens in the future.
    let at = |at: Timestamp| at.min(env.now());
    let piece = |wa_id: &WaMessageId, change, at| Evidence {
        session_id: session,
        message: MessageRef::Wire(wa_id.clone()),
        change,
        at,
    };
    match event {
        MessageEvent::Acked { wa_id, at: when } => {
            vec![piece(wa_id, StatusChange::To(MessageStatus::Sent), at(*when))]
        }
        MessageEvent::Refused { wa_id, code, reason, at: when } => {
            let failure = Failure { code: *code, reason: Some(reason.clone()) };
            vec![piece(wa_id, StatusChange::Failed(failure), at(*when))]
        }
        MessageEvent::Receipt { wa_ids, kind, at: when, .. } => {
            let status = match kind {
                ReceiptKind::Delivered => MessageStatus::Delivered,
                ReceiptKind::Read => MessageStatus::Read,
                ReceiptKind::Played => MessageStatus::Played,
            };
            let when = at(*when);
            wa_ids.iter().map(|wa_id| piece(wa_id, StatusChange::To(status), when)).collect()
        }
    }
}
