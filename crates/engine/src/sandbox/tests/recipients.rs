//! What recipients do, by their numbers.

use rstest::rstest;
use waypost_domain::FailureCode;

use super::*;

#[rstest]
#[case::ordinary("919876543210", &["acked", "delivered", "read"])]
#[case::ordinary_lid("123456789012345@lid", &["acked", "delivered", "read"])]
#[case::ordinary_group("120363000000000000@g.us", &["acked", "delivered", "read"])]
#[case::never_acknowledged("15550101001", &[])]
#[case::first_ack_lost("15550101002", &[])]
#[case::never_delivered("15550101003", &["acked"])]
#[case::never_read("15550101004", &["acked", "delivered"])]
#[case::slow("15550101006", &["acked", "delivered", "read"])]
#[case::doubled("15550101007", &["acked", "acked", "delivered", "delivered", "read", "read"])]
#[case::out_of_order("15550101008", &["read", "delivered", "acked"])]
#[case::echo("15550101009", &["acked", "delivered", "read"])]
#[tokio::test]
async fn a_recipient_does_what_its_number_says(#[case] to: &str, #[case] story: &[&str]) {
    let bench = Bench::connected().await;
    let message = bench.send(to, "hello").await.unwrap();
    bench.let_everything_happen().await;
    // Steps of the two messages take turns: one more round, and the longest script is at its end.
    bench.let_everything_happen().await;
    assert_eq!(bench.told.story(&message.wa_id), story);
}

#[rstest]
#[case("15550100400", "ack error 400", FailureCode::RejectedAsMalformed)]
#[case("15550100404", "ack error 404", FailureCode::RecipientUnknown)]
#[case("15550100463", "ack error 463", FailureCode::ReachOutLimited)]
#[case("15550100475", "ack error 475", FailureCode::NewChatLimited)]
#[case("15550100479", "ack error 479", FailureCode::RejectedAsMalformed)]
#[case("15550100503", "ack error 503", FailureCode::RejectedByWhatsapp)]
#[tokio::test]
async fn a_refusal_carries_its_code(#[case] to: &str, #[case] said: &str, #[case] expected: FailureCode) {
    let bench = Bench::connected().await;
    let message = bench.send(to, "hello").await.unwrap();
    bench.let_everything_happen().await;
    assert_eq!(bench.told.story(&message.wa_id), ["refused"]);
    let refused = bench.told.answers().into_iter().find_map(|event| match event {
        MessageEvent::Refused { wa_id, code, reason, .. } => Some((wa_id, code, reason)),
        _ => None,
    });
    assert_eq!(refused, Some((message.wa_id, expected, said.to_owned())));
}

#[tokio::test]
async fn a_number_that_is_not_on_whatsapp_is_rejected_at_the_send() {
    let bench = Bench::connected().await;
    let failure = bench.send("15550101005", "hello").await.unwrap_err();
    assert!(matches!(failure, SendFailure::Reject { code: FailureCode::NotOnWhatsapp, .. }), "{failure:?}");
}

#[tokio::test]
async fn a_lost_acknowledgement_is_mended_by_a_repeat_under_the_same_id() {
    let bench = Bench::connected().await;
    let message = bench.send("15550101002", "hello").await.unwrap();
    bench.let_everything_happen().await;
    assert!(bench.told.story(&message.wa_id).is_empty());
    bench.link.send(bench.told.connection(), &message).await.unwrap();
    bench.told.until("the repeat is read", |told| told.story(&message.wa_id).contains(&"read")).await;
    assert_eq!(bench.told.story(&message.wa_id), ["acked", "delivered", "read"]);
}

#[tokio::test]
async fn delays_are_kept_and_the_slow_number_takes_twenty_times_as_long() {
    let ms = Duration::from_millis;
    let delays = SandboxDelays { ack: ms(1), delivered: ms(2), read: ms(3), ..SandboxDelays::default() };
    let bench = Bench::new(delays).await;
    bench.link.connect().await.unwrap();
    let launched = tokio::time::Instant::now();
    let slow = bench.send("15550101006", "slow").await.unwrap();
    let quick = bench.send("919876543210", "quick").await.unwrap();
    bench.told.until("both are read", |told| told.story(&slow.wa_id).len() + told.story(&quick.wa_id).len() == 6).await;
    assert!(launched.elapsed() >= ms(60), "the slow one was read after 20 x 3 ms at the earliest");
    let acked = bench.told.answers().into_iter().find_map(|event| match event {
        MessageEvent::Acked { wa_id, .. } => Some(wa_id),
        _ => None,
    });
    assert_eq!(acked, Some(quick.wa_id), "the quick one overtook the slow one");
}

#[tokio::test]
async fn messages_to_one_chat_are_acknowledged_in_order_also_when_there_are_thousands() {
    let bench = Bench::connected().await;
    let mut sent = Vec::new();
    for n in 0..5_000 {
        sent.push(bench.send("919876543210", &n.to_string()).await.unwrap().wa_id);
    }
    bench.told.until("all are read", |told| told.answers().len() == 3 * sent.len()).await;
    let acked: Vec<_> = bench
        .told
        .answers()
        .into_iter()
        .filter_map(|event| match event {
            MessageEvent::Acked { wa_id, .. } => Some(wa_id),
            _ => None,
        })
        .collect();
    assert_eq!(acked, sent);
    for wa_id in [&sent[0], &sent[2_500], &sent[4_999]] {
        assert_eq!(bench.told.story(wa_id), ["acked", "delivered", "read"]);
    }
}

#[rstest]
#[case::asked_for("919876543210", "reply: good morning", "good morning")]
#[case::echo("15550101009", "  as it stands ", "  as it stands ")]
#[tokio::test]
async fn a_recipient_answers_when_it_is_asked_to(#[case] to: &str, #[case] text: &str, #[case] answer: &str) {
    let bench = Bench::connected().await;
    let message = bench.send(to, text).await.unwrap();
    bench.told.until("the answer", |told| !told.texts().is_empty()).await;
    assert_eq!(bench.told.texts(), [answer]);
    let inbound = unpoisoned(&bench.told.texts)[0].clone();
    assert_eq!((inbound.chat, inbound.sender), (message.to.clone(), message.to));
    assert!(!inbound.from_me);
    assert_ne!(inbound.wa_id, message.wa_id);
}

#[tokio::test]
async fn an_answer_in_a_group_is_written_by_a_member() {
    let bench = Bench::connected().await;
    let message = bench.send("120363000000000000@g.us", "reply: me too").await.unwrap();
    bench.told.until("the answer", |told| !told.texts().is_empty()).await;
    let inbound = unpoisoned(&bench.told.texts)[0].clone();
    assert_eq!(inbound.chat, message.to);
    assert_eq!(inbound.sender.to_string(), "15550100000@s.whatsapp.net");
}

#[rstest]
#[case::a_chat_of_two("919876543210", "919876543210@s.whatsapp.net")]
#[case::a_group("120363000000000000@g.us", "15550100000@s.whatsapp.net")]
#[tokio::test]
async fn a_receipt_names_the_person_whom_it_is_from(#[case] to: &str, #[case] person: &str) {
    let bench = Bench::connected().await;
    let message = bench.send(to, "hello").await.unwrap();
    bench.told.until("it is read", |told| told.story(&message.wa_id).contains(&"read")).await;
    let named = bench.told.answers().into_iter().filter_map(|event| match event {
        MessageEvent::Receipt { participant, .. } => Some(participant.map(|jid| jid.to_string())),
        _ => None,
    });
    assert_eq!(named.collect::<Vec<_>>(), [Some(person.to_owned()), Some(person.to_owned())]);
}

#[tokio::test]
async fn a_repeat_is_receipted_again_but_answered_once() {
    let bench = Bench::connected().await;
    let message = bench.send("15550101009", "once").await.unwrap();
    bench.told.until("the answer", |told| !told.texts().is_empty()).await;
    bench.link.send(bench.told.connection(), &message).await.unwrap();
    bench.told.until("the repeat is read", |told| told.story(&message.wa_id).len() == 6).await;
    bench.send("15550101009", "another").await.unwrap();
    bench.told.until("the other answer", |told| told.texts().contains(&"another".to_owned())).await;
    assert_eq!(bench.told.texts(), ["once", "another"]);
}

#[tokio::test]
async fn an_incoming_text_that_was_not_stored_comes_again_and_before_later_ones() {
    let bench = Bench::connected().await;
    bench.told.failures.store(1, Ordering::SeqCst);
    bench.send("919876543210", "reply: first").await.unwrap();
    bench.send("919876543210", "reply: second").await.unwrap();
    bench.told.until("both answers", |told| told.texts().len() == 2).await;
    assert_eq!(bench.told.texts(), ["first", "second"]);
}

#[tokio::test]
async fn past_the_bound_a_send_is_told_to_come_again() {
    let bench = Bench::new(SandboxDelays { ack: Duration::from_hours(1), ..SandboxDelays::NONE }).await;
    bench.link.connect().await.unwrap();
    for _ in 0..super::super::timer::MAX_IN_FLIGHT_PER_SESSION {
        bench.send("15550101003", "waits").await.unwrap();
    }
    let failure = bench.send("15550101003", "one too many").await.unwrap_err();
    assert!(matches!(failure, SendFailure::Park { .. }), "{failure:?}");
}
