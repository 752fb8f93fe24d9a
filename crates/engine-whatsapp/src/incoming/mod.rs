//! What comes in, as the gateway keeps it: one file for each kind, free of I/O.

mod text;
mod unsupported;

use wacore::{
    proto_helpers::MessageExt as _,
    types::message::{MessageCategory, MessageInfo},
};
use waypost_domain::{Inbound, Timestamp, WaMessageId};
use whatsapp_rust::waproto::whatsapp as wa;

use crate::jid;

/// The longest name that a person is shown under, in characters; WhatsApp allows 25.
const MAX_PUSH_NAME: usize = 100;

/// An inbound message, if it is one: `None` for what devices tell each other (key shares, app-state and history
/// notices, revocations, key distributions), and for status updates and newsletters, which are no chats.
pub(crate) fn convert(message: &wa::Message, info: &MessageInfo) -> Option<Inbound> {
    if matches!(info.category, MessageCategory::Peer) {
        return None;
    }
    let base = message.get_base_message();
    if base.protocol_message.is_set() {
        return None;
    }
    let content = text::read(base).or_else(|| unsupported::read(base))?;
    let source = &info.source;
    Some(Inbound {
        wa_id: WaMessageId::from(info.id.clone()),
        chat: jid::from_wire(&source.chat)?,
        sender: jid::from_wire(&source.sender)?,
        sender_alt: source.sender_alt.as_ref().and_then(jid::from_wire),
        from_me: source.is_from_me,
        push_name: (!info.push_name.is_empty()).then(|| info.push_name.chars().take(MAX_PUSH_NAME).collect()),
        sent_at: Timestamp::from_millis(info.timestamp.timestamp_millis()),
        content,
    })
}

#[cfg(test)]
mod tests;
