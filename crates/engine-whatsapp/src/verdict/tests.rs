use rstest::rstest;
use wacore::types::message::MessageSource;
use wacore_binary::builder::NodeBuilder;
use whatsapp_rust::{anyhow, chrono::DateTime};

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn server_ack(class: Option<&str>, error: Option<&str>) -> ServerAck {
    ServerAck::builder()
        .id("3EB0AAAAAAAAAAAAAAAAAA".to_owned())
        .maybe_class(class.map(str::to_owned))
        .maybe_error(error.map(str::to_owned))
        .build()
}

#[test]
fn an_ack_without_an_error_is_acked_at_the_servers_time() {
    let with_time = ServerAck::builder()
        .id("A".to_owned())
        .class("message".to_owned())
        .timestamp(DateTime::from_timestamp(1_600_000_000, 0).unwrap())
        .build();
    let acked = |at| Some(MessageEvent::Acked { wa_id: WaMessageId::from("A".to_owned()), at });
    assert_eq!(ack(&with_time, NOW), acked(Timestamp::from_secs(1_600_000_000)));
    let without = ServerAck::builder().id("A".to_owned()).class("message".to_owned()).build();
    assert_eq!(ack(&without, NOW), acked(NOW));
}

#[rstest]
#[case("400", FailureCode::RejectedAsMalformed)]
#[case("404", FailureCode::RecipientUnknown)]
#[case("463", FailureCode::ReachOutLimited)]
#[case("475", FailureCode::NewChatLimited)]
#[case("479", FailureCode::RejectedAsMalformed)]
#[case("503", FailureCode::RejectedByWhatsapp)]
#[case("999", FailureCode::RejectedByWhatsapp)]
#[case("what", FailureCode::RejectedByWhatsapp)]
fn an_ack_with_an_error_is_a_refusal_with_its_number(#[case] error: &str, #[case] expected: FailureCode) {
    let Some(MessageEvent::Refused { code, reason, .. }) = ack(&server_ack(Some("message"), Some(error)), NOW) else {
        panic!("not a refusal");
    };
    assert_eq!(code, expected);
    assert_eq!(reason, format!("ack error {error}"));
}

#[rstest]
#[case(Some("receipt"))]
#[case(Some("notification"))]
#[case(None)]
fn an_ack_of_anything_but_a_message_says_nothing(#[case] class: Option<&str>) {
    assert_eq!(ack(&server_ack(class, None), NOW), None);
}

fn a_receipt(kind: ReceiptType, chat: &str, sender: &str) -> Receipt {
    let (chat, sender) = (chat.parse().unwrap(), sender.parse().unwrap());
    Receipt::builder()
        .source(MessageSource { chat, sender, ..MessageSource::default() })
        .message_ids(vec!["A".to_owned(), "B".to_owned()])
        .timestamp(DateTime::from_timestamp(1_700_000_000, 0).unwrap())
        .r#type(kind)
        .offline(false)
        .build()
}

#[rstest]
#[case(ReceiptType::Delivered, Some(ReceiptKind::Delivered))]
#[case(ReceiptType::Inactive, Some(ReceiptKind::Delivered))]
#[case(ReceiptType::Read, Some(ReceiptKind::Read))]
#[case(ReceiptType::Played, Some(ReceiptKind::Played))]
#[case(ReceiptType::Sent, None)]
#[case(ReceiptType::Sender, None)]
#[case(ReceiptType::ReadSelf, None)]
#[case(ReceiptType::PlayedSelf, None)]
#[case(ReceiptType::ServerError, None)]
#[case(ReceiptType::Other("new".to_owned()), None)]
fn a_receipt_proves_what_its_kind_says(#[case] wire: ReceiptType, #[case] kind: Option<ReceiptKind>) {
    assert_eq!(receipt_kind(&wire), kind);
}

#[test]
fn a_receipt_carries_its_messages_and_its_sender_without_the_device() {
    let device = "100000000000001:3@lid";
    insta::assert_debug_snapshot!(receipt(&a_receipt(ReceiptType::Read, device, device)));
}

#[rstest]
#[case::a_chat_by_number(
    "919876543210:5@s.whatsapp.net",
    "919876543210:5@s.whatsapp.net",
    Some("919876543210@s.whatsapp.net")
)]
#[case::a_group("120363021033254949@g.us", "100000000000001:3@lid", Some("100000000000001@lid"))]
#[case::a_group_without_a_member("120363021033254949@g.us", "120363021033254949@g.us", None)]
#[case::a_chat_that_is_none_of_ours("status@broadcast", "status@broadcast", None)]
#[case::a_member_of_a_broadcast("status@broadcast", "100000000000001:3@lid", Some("100000000000001@lid"))]
fn a_receipt_is_from_a_person_and_never_dropped_for_its_addresses(
    #[case] chat: &str,
    #[case] sender: &str,
    #[case] expected: Option<&str>,
) {
    let Some(MessageEvent::Receipt { participant, wa_ids, .. }) =
        receipt(&a_receipt(ReceiptType::Delivered, chat, sender))
    else {
        panic!("the receipt was dropped");
    };
    assert_eq!(participant.map(|jid| jid.to_string()).as_deref(), expected);
    assert_eq!(wa_ids.len(), 2);
}

fn server_error(code: u16) -> SendError {
    SendError::Iq(IqError::ServerError { code, text: "text".to_owned(), error_type: None, backoff: None })
}

#[test]
fn a_failed_send_says_what_happens_next() {
    let failures = [
        ("not logged in", SendError::NotLoggedIn),
        ("not connected", SendError::Client(ClientError::NotConnected)),
        ("no answer", SendError::Iq(IqError::Timeout)),
        ("connection lost while asking", SendError::Iq(IqError::NotConnected)),
        ("unknown recipient", server_error(404)),
        ("forbidden", server_error(403)),
        ("slow down", server_error(429)),
        ("server trouble", server_error(503)),
        ("bad request", SendError::InvalidRequest("to 919876543210".to_owned())),
        ("encryption", SendError::Internal(anyhow::anyhow!("encryption failed for 919876543210"))),
    ];
    let table: Vec<String> = failures.iter().map(|(case, error)| format!("{case}: {}", send_failure(error))).collect();
    assert!(!table.join("\n").contains("919876543210"), "a reason names no address");
    insta::assert_snapshot!(table.join("\n"));
}

fn a_logout(reason: ConnectFailureReason, conflict: Option<&str>) -> LoggedOut {
    let raw = conflict.map(|kind| {
        let conflict = NodeBuilder::new("conflict").attr("type", kind).build();
        NodeBuilder::new("stream:error").attr("code", "401").children([conflict]).build()
    });
    LoggedOut::builder().on_connect(conflict.is_none()).reason(reason).maybe_raw(raw).build()
}

#[rstest]
#[case(None, false)]
#[case(Some("device_removed"), true)]
#[case(Some("something_new"), false)]
fn a_logout_is_explicit_only_where_the_device_is_named_as_removed(
    #[case] conflict: Option<&str>,
    #[case] removed: bool,
) {
    let word = logged_out(&a_logout(ConnectFailureReason::LoggedOut, conflict)).unwrap();
    assert_eq!(word.removed, removed);
    assert!(!logged_out(&a_logout(ConnectFailureReason::UnknownLogout, None)).unwrap().removed);
}

#[test]
fn an_ended_login_says_why_and_whether_the_credentials_live() {
    let ends = [
        logged_out(&a_logout(ConnectFailureReason::AccountLocked, None)).unwrap_err(),
        banned(&TempBanReason::SentTooManySameMessage, Duration::from_hours(1), NOW),
        refused_login(ConnectFailureReason::TempBanned).unwrap(),
        refused_login(ConnectFailureReason::Generic).unwrap(),
        refused_login(ConnectFailureReason::Unknown(499)).unwrap(),
    ];
    insta::assert_debug_snapshot!(ends);
    assert_eq!(refused_login(ConnectFailureReason::ServiceUnavailable), None);
    assert_eq!(refused_login(ConnectFailureReason::InternalServerError), None);
}
