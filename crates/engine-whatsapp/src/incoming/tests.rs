use wacore::types::message::MessageSource;
use whatsapp_rust::{buffa::MessageField, chrono::DateTime};

use super::*;

fn info() -> MessageInfo {
    MessageInfo {
        id: "3EB0AAAAAAAAAAAAAAAAAA".to_owned(),
        source: MessageSource {
            chat: "919876543210@s.whatsapp.net".parse().unwrap(),
            sender: "919876543210:7@s.whatsapp.net".parse().unwrap(),
            sender_alt: Some("100000000000001:7@lid".parse().unwrap()),
            ..MessageSource::default()
        },
        push_name: "Asha".to_owned(),
        timestamp: DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
        ..MessageInfo::default()
    }
}

fn conversation(text: &str) -> wa::Message {
    wa::Message { conversation: Some(text.to_owned()), ..wa::Message::default() }
}

fn wrapped(message: wa::Message) -> MessageField<wa::message::FutureProofMessage> {
    MessageField::some(wa::message::FutureProofMessage { message: MessageField::some(message) })
}

#[test]
fn a_text_keeps_its_chat_its_sender_and_its_time() {
    insta::assert_debug_snapshot!(convert(&conversation("hello"), &info()));
}

#[test]
fn a_text_with_a_preview_or_a_quote_is_a_text() {
    let message = wa::Message {
        extended_text_message: MessageField::some(wa::message::ExtendedTextMessage {
            text: Some("see https://example.org".to_owned()),
            ..wa::message::ExtendedTextMessage::default()
        }),
        ..wa::Message::default()
    };
    insta::assert_debug_snapshot!(convert(&message, &info()).unwrap().content);
}

#[test]
fn a_disappearing_text_is_a_text() {
    let message = wa::Message { ephemeral_message: wrapped(conversation("soon gone")), ..wa::Message::default() };
    insta::assert_debug_snapshot!(convert(&message, &info()).unwrap().content);
}

#[test]
fn a_text_written_on_the_accounts_phone_is_from_me_in_the_recipients_chat() {
    let mut info = info();
    info.source.is_from_me = true;
    info.source.sender = "14155550100@s.whatsapp.net".parse().unwrap();
    info.source.sender_alt = None;
    info.push_name = String::new();
    let message = wa::Message {
        device_sent_message: MessageField::some(wa::message::DeviceSentMessage {
            destination_jid: Some("919876543210@s.whatsapp.net".to_owned()),
            message: MessageField::some(conversation("from my phone")),
            ..wa::message::DeviceSentMessage::default()
        }),
        ..wa::Message::default()
    };
    insta::assert_debug_snapshot!(convert(&message, &info));
}

#[test]
fn a_group_message_names_its_sender() {
    let mut info = info();
    info.source.chat = "120363021033254949@g.us".parse().unwrap();
    info.source.is_group = true;
    insta::assert_debug_snapshot!(convert(&conversation("hello all"), &info));
}

#[test]
fn an_unread_kind_is_kept_by_its_name() {
    let message = wa::Message {
        view_once_message_v2: wrapped(wa::Message {
            video_message: MessageField::some(wa::message::VideoMessage::default()),
            ..wa::Message::default()
        }),
        ..wa::Message::default()
    };
    insta::assert_debug_snapshot!(convert(&message, &info()).unwrap().content);
}

#[test]
fn what_devices_tell_each_other_is_no_message() {
    let protocol = wa::Message {
        protocol_message: MessageField::some(wa::message::ProtocolMessage::default()),
        ..wa::Message::default()
    };
    assert_eq!(convert(&protocol, &info()), None);
    let keys = wa::Message {
        sender_key_distribution_message: MessageField::some(wa::message::SenderKeyDistributionMessage::default()),
        ..wa::Message::default()
    };
    assert_eq!(convert(&keys, &info()), None);
    let mut peer = info();
    peer.category = MessageCategory::Peer;
    assert_eq!(convert(&conversation("between devices"), &peer), None);
}

#[test]
fn a_status_update_is_no_chat() {
    let mut status = info();
    status.source.chat = "status@broadcast".parse().unwrap();
    assert_eq!(convert(&conversation("on holiday"), &status), None);
}

#[test]
fn a_senders_name_is_bounded() {
    let mut info = info();
    info.push_name = "x".repeat(10_000);
    assert_eq!(convert(&conversation("hi"), &info).unwrap().push_name.unwrap().len(), MAX_PUSH_NAME);
}
