//! Messages out and in, and what is heard of them.

use std::time::Duration;

use wa_sim::{Fault, FaultRule};
use waypost_domain::{Content, FailureCode, MessageEvent, ReceiptKind, SessionEvent};
use waypost_engine_whatsapp::Timings;

use crate::bench::{Bench, jid, text, until};

const ALICE: &str = "4915100000001";
const BOB: &str = "4915100000002";

fn rule(fault: Fault) -> FaultRule {
    FaultRule::new(fault).from(ALICE).times(1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_is_acked_received_and_its_delivery_confirmed_by_the_other_session() {
    let bench = Bench::new().await;
    let alice = bench.linked(ALICE).await;
    let bob = bench.linked(BOB).await;
    // The receipt that Alice hears of is then that of Bob's session, not of his phone.
    bob.account.set_receipts(false);
    for content in ["hello", "x", "Grüße 👋🏽\nاهلا", &"é".repeat(Content::MAX_TEXT)] {
        let message = text(&bench.env, &bob.jid, content);
        bench.send(&alice, &message).await.unwrap();
        bench.sink.acked(alice.id, &message.wa_id).await;
        let received = bench.sink.received(bob.id, &message.wa_id).await;
        assert_eq!(received.content, message.content);
        assert!(!received.from_me);
        let sender = [Some(&received.sender), received.sender_alt.as_ref()];
        assert!(sender.contains(&Some(&jid(ALICE))), "{sender:?}");
        bench.sink.receipt(alice.id, &message.wa_id, ReceiptKind::Delivered).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reading_phone_is_heard_of() {
    let bench = Bench::new().await;
    let alice = bench.linked(ALICE).await;
    let bob = bench.sim.account(BOB);
    let message = text(&bench.env, &jid(BOB), "read me");
    bench.send(&alice, &message).await.unwrap();
    bench.sink.receipt(alice.id, &message.wa_id, ReceiptKind::Delivered).await;
    assert_eq!(bob.read(None).await, 1);
    bench.sink.receipt(alice.id, &message.wa_id, ReceiptKind::Read).await;
    let shown = &bob.chats()[0].messages[0];
    assert_eq!((shown.id.as_str(), shown.decrypted), (message.wa_id.as_str(), Some(true)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_sent_again_after_a_restart_carries_the_same_id() {
    let mut bench = Bench::new().await;
    let alice = bench.linked(ALICE).await;
    let bob = bench.sim.account(BOB);
    let message = text(&bench.env, &jid(BOB), "once or twice");
    bench.send(&alice, &message).await.unwrap();
    bench.sink.acked(alice.id, &message.wa_id).await;
    until("the phone has it", || bob.totals().received == 1).await;

    drop(alice.link);
    until("the socket is closed", || !alice.account.is_connected(alice.device)).await;
    bench.restart().await;
    bench.sink.forget();
    let link = bench.open(alice.id, ALICE).await;
    link.connect().await.unwrap();
    bench.sink.connected(alice.id, 1).await;
    assert!(!bench.sink.heard().of(alice.id).any(|event| matches!(event, SessionEvent::Qr { .. })));

    link.send(bench.sink.connection(alice.id), &message).await.unwrap();
    bench.sink.acked(alice.id, &message.wa_id).await;
    until("the phone has it again", || bob.totals().repeated == 1).await;
    let shown = bob.chats()[0].messages[0].clone();
    assert_eq!((shown.id.as_str(), shown.times, shown.failed), (message.wa_id.as_str(), 2, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_that_did_not_reach_the_disk_before_the_end_comes_again() {
    let mut bench = Bench::new().await;
    let alice = bench.linked(ALICE).await;
    let bob = bench.sim.account(BOB);
    bench.sink.hold_receipts(true);
    let message = text(&bench.env, &jid(BOB), "did you get this?");
    bench.send(&alice, &message).await.unwrap();
    bench.sink.receipt(alice.id, &message.wa_id, ReceiptKind::Delivered).await;
    // A message from Bob came the whole way behind the receipt: an ungated confirmation would have left by now.
    let answer = bob.send_text(ALICE, "I did").await.unwrap();
    bench.sink.received(alice.id, &answer.into()).await;
    assert!(alice.account.queued(alice.device) >= 1, "the receipt was confirmed before it was written");

    drop(alice.link);
    until("the socket is closed", || !alice.account.is_connected(alice.device)).await;
    bench.restart().await;
    bench.sink.forget();
    bench.sink.hold_receipts(false);
    let link = bench.open(alice.id, ALICE).await;
    link.connect().await.unwrap();
    bench.sink.receipt(alice.id, &message.wa_id, ReceiptKind::Delivered).await;
    until("everything is confirmed", || alice.account.queued(alice.device) == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_message_is_refused_with_its_code() {
    let bench = Bench::new().await;
    let alice = bench.linked(ALICE).await;
    bench.sim.account(BOB);
    bench.sim.faults().add(rule(Fault::Nack { code: 463 }));
    let message = text(&bench.env, &jid(BOB), "to a stranger");
    bench.send(&alice, &message).await.unwrap();
    let code = bench
        .sink
        .until("a refusal", |heard| {
            heard.answers_of(alice.id).find_map(|event| match event {
                MessageEvent::Refused { wa_id, code, .. } if *wa_id == message.wa_id => Some(*code),
                _ => None,
            })
        })
        .await;
    assert_eq!(code, FailureCode::ReachOutLimited);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_ack_a_message_is_not_acked() {
    let bench = Bench::new().await;
    let alice = bench.linked(ALICE).await;
    bench.sim.account(BOB);
    bench.sim.faults().add(rule(Fault::WithholdAck));
    let silent = text(&bench.env, &jid(BOB), "no answer");
    let answered = text(&bench.env, &jid(BOB), "answered");
    bench.send(&alice, &silent).await.unwrap();
    bench.send(&alice, &answered).await.unwrap();
    bench.sink.acked(alice.id, &answered.wa_id).await;
    let acked = |event: &MessageEvent| matches!(event, MessageEvent::Acked { wa_id, .. } if *wa_id == silent.wa_id);
    assert!(!bench.sink.heard().answers_of(alice.id).any(acked));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_inbound_message_is_acknowledged_after_its_commit_and_never_before() {
    let bench = Bench::new().await;
    let alice = bench.linked(ALICE).await;
    bench.sink.refuse_inbound(true);
    let bob = bench.sim.account(BOB);
    let id = waypost_domain::WaMessageId::from(bob.send_text(ALICE, "keep me").await.unwrap());
    bench.sink.until("a refusal to store", |heard| (heard.refused > 0).then_some(())).await;
    assert_eq!(alice.account.queued(alice.device), 1, "the server still has it");
    assert!(!bob.receipts().iter().any(|seen| seen.id == id.as_str() && seen.from.contains(':')));

    bench.sink.refuse_inbound(false);
    alice.account.cut(alice.device);
    let received = bench.sink.received(alice.id, &id).await;
    assert_eq!(received.content, Content::Text { text: "keep me".to_owned() });
    until("the server has let go of it", || alice.account.queued(alice.device) == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_could_not_be_stored_comes_again_without_help_of_the_network() {
    let bench = Bench::with(Timings { look: Duration::from_millis(200), ..Timings::default() }).await;
    let alice = bench.linked(ALICE).await;
    bench.sink.refuse_inbound(true);
    let bob = bench.sim.account(BOB);
    let id = waypost_domain::WaMessageId::from(bob.send_text(ALICE, "keep me").await.unwrap());
    bench.sink.until("a refusal to store", |heard| (heard.refused > 0).then_some(())).await;
    bench.sink.refuse_inbound(false);
    bench.sink.received(alice.id, &id).await;
    until("the server has let go of it", || alice.account.queued(alice.device) == 0).await;
}

/// The client takes a key that cannot be read for a fault of the message, and would tell WhatsApp to forget it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_whose_keys_could_not_be_read_comes_again() {
    let bench = Bench::with(Timings { look: Duration::from_millis(200), ..Timings::default() }).await;
    let alice = bench.linked(ALICE).await;
    let bob = bench.sim.account(BOB);
    bench.keys_are_there(false).await;
    let id = waypost_domain::WaMessageId::from(bob.send_text(ALICE, "keep me").await.unwrap());
    bench
        .sink
        .until("a word about the database", |heard| {
            heard.of(alice.id).find_map(|event| match event {
                SessionEvent::ConnectionLost { reason } => reason.contains("database").then_some(()),
                _ => None,
            })
        })
        .await;
    bench.keys_are_there(true).await;
    bench.sink.received(alice.id, &id).await;
    until("the server has let go of it", || alice.account.queued(alice.device) == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_overtakes_one_that_could_not_be_stored() {
    let bench = Bench::new().await;
    let alice = bench.linked(ALICE).await;
    bench.sink.refuse_inbound(true);
    let bob = bench.sim.account(BOB);
    let first = bob.send_text(ALICE, "the first").await.unwrap();
    bench.sink.until("a refusal to store", |heard| (heard.refused > 0).then_some(())).await;
    bench.sink.refuse_inbound(false);
    let second = waypost_domain::WaMessageId::from(bob.send_text(ALICE, "the second").await.unwrap());
    bench.sink.received(alice.id, &second).await;
    let heard: Vec<String> = bench.sink.heard().inbound_of(alice.id).map(|message| message.wa_id.to_string()).collect();
    assert_eq!(heard, [first, second.to_string()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_was_read_and_is_nowhere_when_a_process_ended_is_asked_for_again() {
    let mut bench = Bench::new().await;
    let alice = bench.linked(ALICE).await;
    bench.sink.refuse_inbound(true);
    let bob = bench.sim.account(BOB);
    let id = waypost_domain::WaMessageId::from(bob.send_text(ALICE, "keep me").await.unwrap());
    bench.sink.until("a refusal to store", |heard| (heard.refused > 0).then_some(())).await;
    alice.link.disconnect().await;
    drop(alice.link);
    bench.lose_what_was_read(alice.id).await;
    bench.restart().await;
    bench.sink.refuse_inbound(false);
    let link = bench.open(alice.id, ALICE).await;
    link.connect().await.unwrap();
    let received = bench.sink.received(alice.id, &id).await;
    assert_eq!(received.content, Content::Text { text: "keep me".to_owned() });
    until("the server has let go of it", || alice.account.queued(alice.device) == 0).await;
}

/// Whoever is answered takes the next step of the cipher. A process that sent with it and is killed before it was saved
/// would take another step the next time, and neither side could read the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_leaves_when_the_state_of_its_cipher_is_on_disk() {
    let mut bench = Bench::new().await;
    let alice = bench.linked(ALICE).await;
    let bob = bench.sim.account(BOB);
    let (id, device, account) = (alice.id, alice.device, alice.account.clone());
    let mut link = alice.link;
    for round in 0..3 {
        let before = bench.cipher_on_disk(id).await;
        let asked = waypost_domain::WaMessageId::from(bob.send_text(ALICE, "a question").await.unwrap());
        bench.sink.received(id, &asked).await;
        let answer = text(&bench.env, &jid(BOB), "an answer");
        link.send(bench.sink.connection(id), &answer).await.unwrap();
        // At once: the client saves by itself, too, some 25 ms after it read a message.
        while bob.totals().received < 2 * round + 1 {
            tokio::task::yield_now().await;
        }
        assert_ne!(bench.cipher_on_disk(id).await, before, "the answer is there, and the step that it took is nowhere");
        drop(link);
        until("the socket is closed", || !account.is_connected(device)).await;
        bench.restart().await;
        bench.sink.forget();
        link = bench.open(id, ALICE).await;
        link.connect().await.unwrap();
        bench.sink.connected(id, 1).await;
        let more = text(&bench.env, &jid(BOB), "one more thing");
        link.send(bench.sink.connection(id), &more).await.unwrap();
        until("it is shown", || bob.totals().received == 2 * round + 2).await;
    }
    let totals = bob.totals();
    assert_eq!((totals.undecryptable, totals.reused_counters), (0, 0), "{totals:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_accounts_own_phone_writes_comes_in_as_from_me() {
    let bench = Bench::new().await;
    let alice = bench.linked(ALICE).await;
    bench.sim.account(BOB);
    let id = alice.account.send_text(BOB, "from my phone").await.unwrap().into();
    let received = bench.sink.received(alice.id, &id).await;
    assert!(received.from_me);
    assert_eq!(received.content, Content::Text { text: "from my phone".to_owned() });
    assert_eq!(received.chat.user().len(), 13, "the chat is Bob's, by number or LID: {}", received.chat.user().len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_waited_while_the_session_was_away_come_in_order() {
    let bench = Bench::new().await;
    let alice = bench.linked(ALICE).await;
    let bob = bench.sim.account(BOB);
    alice.link.disconnect().await;
    for number in 0..20 {
        bob.send_text(ALICE, &number.to_string()).await.unwrap();
    }
    alice.link.connect().await.unwrap();
    let texts = bench
        .sink
        .until("all of them", |heard| {
            let texts: Vec<Content> = heard.inbound_of(alice.id).map(|message| message.content.clone()).collect();
            (texts.len() == 20).then_some(texts)
        })
        .await;
    let expected: Vec<Content> = (0..20).map(|number| Content::Text { text: number.to_string() }).collect();
    assert_eq!(texts, expected);
    until("the queue is empty", || alice.account.queued(alice.device) == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_of_the_accounts_own_phone_proves_nothing() {
    let bench = Bench::new().await;
    let alice = bench.linked(ALICE).await;
    let bob = bench.sim.account(BOB);
    bob.set_receipts(false);
    let unseen = text(&bench.env, &jid(BOB), "nobody confirms");
    bench.send(&alice, &unseen).await.unwrap();
    until("Alice's phone has its copy", || alice.account.totals().sent == 1).await;
    until("Bob's phone has it", || bob.totals().received == 1).await;
    bob.set_receipts(true);
    let seen = text(&bench.env, &jid(BOB), "confirmed");
    bench.send(&alice, &seen).await.unwrap();
    bench.sink.receipt(alice.id, &seen.wa_id, ReceiptKind::Delivered).await;
    let of_unseen =
        |event: &MessageEvent| matches!(event, MessageEvent::Receipt { wa_ids, .. } if wa_ids.contains(&unseen.wa_id));
    assert!(!bench.sink.heard().answers_of(alice.id).any(of_unseen));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_texts_go_out_in_order_and_are_all_acked() {
    let bench = Bench::new().await;
    let alice = bench.linked(ALICE).await;
    let bob = bench.sim.account(BOB);
    let messages: Vec<_> = (0..100).map(|number| text(&bench.env, &jid(BOB), &number.to_string())).collect();
    for message in &messages {
        tokio::time::timeout(Duration::from_secs(30), bench.send(&alice, message)).await.unwrap().unwrap();
    }
    for message in &messages {
        bench.sink.acked(alice.id, &message.wa_id).await;
    }
    until("all are shown", || bob.totals().received == 100).await;
    let shown: Vec<String> = bob.chats()[0].messages.iter().map(|message| message.id.clone()).collect();
    let sent: Vec<String> = messages.iter().map(|message| message.wa_id.to_string()).collect();
    assert_eq!(shown, sent);
}
