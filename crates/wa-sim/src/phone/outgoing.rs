//! What a phone says: the plaintexts, padded as clients pad them.

use crate::account::Account;
use crate::crypto;
use waproto::buffa::MessageField;
use waproto::whatsapp::message::{
    AppStateSyncKey, AppStateSyncKeyData, AppStateSyncKeyFingerprint, AppStateSyncKeyId, AppStateSyncKeyShare,
    DeviceSentMessage, HistorySyncNotification, HistorySyncType, ProtocolMessage, protocol_message,
};
use waproto::whatsapp::{HistorySync, Message, history_sync};

/// 1 to 16 bytes of their own number (wire.md 2.3.6).
pub(crate) fn padded(message: &Message) -> Vec<u8> {
    let mut bytes = waproto::codec::message_to_vec(message);
    let [random] = crypto::random::<1>();
    let pad = (random & 0x0f) + 1;
    bytes.resize(bytes.len() + usize::from(pad), pad);
    bytes
}

/// The inverse; `None` when the padding cannot be.
pub(crate) fn unpadded(bytes: &[u8]) -> Option<&[u8]> {
    let pad = usize::from(*bytes.last()?);
    (pad > 0).then(|| bytes.get(..bytes.len().checked_sub(pad)?)).flatten()
}

pub(crate) fn text(text: &str) -> Message {
    Message { conversation: Some(text.to_owned()), ..Default::default() }
}

/// The copy for the sender's own devices.
pub(crate) fn device_sent(to: &str, message: &Message) -> Message {
    Message {
        device_sent_message: MessageField::some(DeviceSentMessage {
            destination_jid: Some(to.to_owned()),
            message: MessageField::some(message.clone()),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn protocol(kind: protocol_message::Type, fill: impl FnOnce(&mut ProtocolMessage)) -> Message {
    let mut protocol = ProtocolMessage { r#type: Some(kind), ..Default::default() };
    fill(&mut protocol);
    Message { protocol_message: MessageField::some(protocol), ..Default::default() }
}

/// The key for app-state sync. Without it whatsapp-rust waits 10 s before it calls itself connected.
pub(crate) fn key_share(account: &Account, key: &AppStateKey, now: u64) -> Message {
    let share = AppStateSyncKeyShare {
        keys: vec![AppStateSyncKey {
            key_id: MessageField::some(AppStateSyncKeyId { key_id: Some(key.id.to_vec()) }),
            key_data: MessageField::some(AppStateSyncKeyData {
                key_data: Some(key.data.to_vec()),
                fingerprint: MessageField::some(AppStateSyncKeyFingerprint {
                    raw_id: Some(account.raw_id),
                    current_index: Some(0),
                    device_indexes: vec![0],
                }),
                timestamp: i64::try_from(now).ok(),
            }),
        }],
    };
    protocol(protocol_message::Type::APP_STATE_SYNC_KEY_SHARE, |message| {
        message.app_state_sync_key_share = MessageField::some(share);
    })
}

/// An empty first history, inline. Baileys holds back every event for 20 s until one comes
/// (`Socket/chats.js`, `AwaitingInitialSync`).
pub(crate) fn empty_history() -> Message {
    let history = HistorySync {
        sync_type: history_sync::HistorySyncType::INITIAL_BOOTSTRAP,
        chunk_order: Some(1),
        progress: Some(100),
        ..Default::default()
    };
    let payload = crypto::zlib_stored(&waproto::buffa::Message::encode_to_vec(&history));
    let notification = HistorySyncNotification {
        sync_type: Some(HistorySyncType::INITIAL_BOOTSTRAP),
        chunk_order: Some(1),
        progress: Some(100),
        initial_hist_bootstrap_inline_payload: Some(payload),
        ..Default::default()
    };
    protocol(protocol_message::Type::HISTORY_SYNC_NOTIFICATION, |message| {
        message.history_sync_notification = MessageField::some(notification);
    })
}

/// The account's app-state key, made once.
pub(crate) struct AppStateKey {
    id: [u8; 6],
    data: [u8; 32],
}

impl AppStateKey {
    pub(crate) fn generate() -> Self {
        Self::of(crypto::random(), crypto::random())
    }

    pub(crate) fn of(id: [u8; 6], data: [u8; 32]) -> Self {
        Self { id, data }
    }

    pub(crate) fn parts(&self) -> (&[u8; 6], &[u8; 32]) {
        (&self.id, &self.data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_comes_off_again_and_nonsense_is_refused() {
        let message = text("hello");
        let bytes = waproto::codec::message_to_vec(&message);
        for _ in 0..50 {
            let padded = padded(&message);
            assert!((1..=16).contains(&(padded.len() - bytes.len())));
            assert_eq!(unpadded(&padded), Some(&bytes[..]));
        }
        assert_eq!(unpadded(&[]), None);
        assert_eq!(unpadded(&[9]), None);
        assert_eq!(unpadded(&[0]), None);
    }
}
