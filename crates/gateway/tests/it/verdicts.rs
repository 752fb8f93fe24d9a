//! What the network says is what the status says (docs/guarantees.md 3).

use std::time::Duration;

use waypost_domain::{FailureCode, MessageStatus, ReceiptKind, SessionStatus};
use waypost_engine::SendFailure;

use crate::{
    network::Behaviour,
    world::{World, impatient, steps},
};

const ADA: &str = "919876543210";

#[tokio::test(flavor = "multi_thread")]
async fn sent_is_said_on_the_acknowledgement_and_not_before() {
    let world = World::new().await;
    world.network.behave(|_, _| Behaviour::Silent);
    let session = world.connected_session().await;
    let id = world.send(session, ADA, "hi").await;
    let sent = world.network.until_sent(1).await.remove(0);
    // The second message went through the whole road behind the first: had `sent` followed the send call, it would
    // be there by now.
    let second = world.send(session, ADA, "again").await;
    let second_sent = world.network.until_sent(2).await.remove(1);
    world.network.ack(session, &second_sent.wa_id);
    world.until(second, MessageStatus::Sent).await;
    assert_eq!(world.message(id).await.status(), MessageStatus::Sending);

    world.network.ack(session, &sent.wa_id);
    let message = world.until(id, MessageStatus::Sent).await;
    assert_eq!(message.wa_id, sent.wa_id);
    assert_eq!(steps(&message), [MessageStatus::Queued, MessageStatus::Sending, MessageStatus::Sent]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_message_fails_with_its_code_until_it_is_proved_to_have_arrived() {
    let world = World::new().await;
    world.network.behave(|_, _| Behaviour::Refuse(FailureCode::ReachOutLimited));
    let session = world.connected_session().await;
    let id = world.send(session, ADA, "hi").await;
    let message = world.until(id, MessageStatus::Failed).await;
    let failure = message.failure().unwrap();
    assert_eq!(failure.code, FailureCode::ReachOutLimited);
    assert_eq!(failure.reason.as_deref(), Some("ack error 463"));

    world.network.behave(|_, _| Behaviour::Ack);
    let next = world.send(session, ADA, "next").await;
    world.until(next, MessageStatus::Sent).await;
    assert_eq!(world.message(id).await.status(), MessageStatus::Failed);
    assert_eq!(world.network.sent.borrow().len(), 2, "it is never sent again");

    // What was refused was a repeat: the first had been taken.
    world.network.receipt(session, &message.wa_id, &message.remote_jid.parse().unwrap(), ReceiptKind::Delivered);
    world.until(id, MessageStatus::Delivered).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_acknowledgement_the_same_id_goes_out_again_and_then_the_message_fails() {
    let world = World::with(impatient()).await;
    world.network.behave(|_, _| Behaviour::Silent);
    let session = world.connected_session().await;
    let id = world.send(session, ADA, "hi").await;
    let message = world.until(id, MessageStatus::Failed).await;
    assert_eq!(message.failure().unwrap().code, FailureCode::NoAck);
    let sent = world.network.sent.borrow().clone();
    assert_eq!(sent.len(), 3, "send_attempts in all");
    assert!(sent.iter().all(|sent| sent.wa_id == message.wa_id));

    // The truth may still come out.
    world.network.receipt(session, &message.wa_id, &message.remote_jid.parse().unwrap(), ReceiptKind::Delivered);
    world.until(id, MessageStatus::Delivered).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_acknowledgement_ends_the_resending() {
    let world = World::with(impatient()).await;
    world.network.behave(|_, earlier| if earlier == 0 { Behaviour::Silent } else { Behaviour::Ack });
    let session = world.connected_session().await;
    let id = world.send(session, ADA, "hi").await;
    world.until(id, MessageStatus::Sent).await;
    assert_eq!(world.network.sent.borrow().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_early_doubled_and_out_of_order_give_the_highest_state() {
    let world = World::with(impatient()).await;
    world.network.behave(|_, _| Behaviour::AckEarly);
    let session = world.connected_session().await;
    let id = world.send(session, ADA, "hi").await;
    let message = world.until(id, MessageStatus::Read).await;
    world.network.receipt(session, &message.wa_id, &message.remote_jid.parse().unwrap(), ReceiptKind::Played);
    world.network.receipt(session, &message.wa_id, &message.remote_jid.parse().unwrap(), ReceiptKind::Delivered);
    let message = world.until(id, MessageStatus::Played).await;
    let steps = steps(&message);
    assert!(steps.is_sorted(), "the timeline only advances: {steps:?}");
    assert_eq!(world.network.sent.borrow().len(), 1, "an early acknowledgement counts");
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_for_messages_that_are_not_ours_change_nothing() {
    let world = World::new().await;
    let session = world.connected_session().await;
    let wa_id = "3EB0FROMTHEPHONE".to_owned().into();
    world.network.receipt(session, &wa_id, &"919876543210@s.whatsapp.net".parse().unwrap(), ReceiptKind::Read);
    let id = world.send(session, ADA, "hi").await;
    world.until(id, MessageStatus::Sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_session_cannot_speak_for_a_message() {
    let world = World::new().await;
    world.network.behave(|_, _| Behaviour::Silent);
    let (session, other) = (world.connected_session().await, world.connected_session().await);
    let id = world.send(session, ADA, "hi").await;
    let sent = world.network.until_sent(1).await.remove(0);
    world.network.ack(other, &sent.wa_id);
    world.network.behave(|_, _| Behaviour::Ack);
    let later = world.send(other, ADA, "hi").await;
    world.until(later, MessageStatus::Sent).await;
    assert_eq!(world.message(id).await.status(), MessageStatus::Sending);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_the_link_rejects_fails_with_its_code() {
    let world = World::new().await;
    world.network.behave(|_, _| {
        Behaviour::Fail(SendFailure::Reject { code: FailureCode::NotOnWhatsapp, reason: "no devices".to_owned() })
    });
    let session = world.connected_session().await;
    let id = world.send(session, ADA, "hi").await;
    let message = world.until(id, MessageStatus::Failed).await;
    assert_eq!(message.failure().unwrap().code, FailureCode::NotOnWhatsapp);
    assert_eq!(world.network.sent.borrow().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_not_handed_over_is_tried_again_under_its_id() {
    let world = World::new().await;
    world.network.behave(|_, earlier| {
        if earlier == 0 {
            Behaviour::Fail(SendFailure::Retry { reason: "key bundle timed out".to_owned() })
        } else {
            Behaviour::Ack
        }
    });
    let session = world.connected_session().await;
    let id = world.send(session, ADA, "hi").await;
    let message = world.until(id, MessageStatus::Sent).await;
    let sent = world.network.sent.borrow().clone();
    assert_eq!(sent.len(), 2);
    assert!(sent.iter().all(|sent| sent.wa_id == message.wa_id));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_can_never_be_handed_over_fails_in_the_end() {
    let world = World::new().await;
    world.network.behave(|_, _| Behaviour::Fail(SendFailure::Retry { reason: "no session".to_owned() }));
    let session = world.connected_session().await;
    let id = world.send(session, ADA, "hi").await;
    let started = tokio::time::Instant::now();
    let message = world.until(id, MessageStatus::Failed).await;
    assert_eq!(message.failure().unwrap().code, FailureCode::Unsendable);
    assert!(started.elapsed() > Duration::from_secs(10), "the pauses grow");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_is_told_that_a_receipt_is_recorded_when_its_row_says_so() {
    let world = World::new().await;
    let session = world.connected_session().await;
    let id = world.send(session, ADA, "hi").await;
    let sent = world.until(id, MessageStatus::Sent).await;
    let sink = world.network.sink(session);
    for (kind, status) in [(ReceiptKind::Delivered, MessageStatus::Delivered), (ReceiptKind::Read, MessageStatus::Read)]
    {
        world.network.receipt(session, &sent.wa_id, &sent.remote_jid.parse().unwrap(), kind);
        sink.recorded(session, sink.mark(session)).await;
        assert_eq!(world.message(id).await.status(), status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_nobody_acknowledges_fails_though_its_connections_are_lost_meanwhile() {
    let world = World::new().await;
    world.network.behave(|_, _| Behaviour::Silent);
    let session = world.connected_session().await;
    let id = world.send(session, ADA, "0").await;
    let mut connections = 0;
    while world.message(id).await.status() != MessageStatus::Failed {
        connections += 1;
        assert!(connections <= 20, "it goes out on every connection, without end");
        world
            .until_message(id, "another send call, or the end", |message| {
                message.status() == MessageStatus::Failed || world.network.sent.borrow().len() >= connections
            })
            .await;
        world.network.lose(session);
        world.until_session(session, SessionStatus::Disconnected).await;
        world.network.connected(session);
        world.until_session(session, SessionStatus::Connected).await;
    }
    assert_eq!(world.message(id).await.failure().unwrap().code, FailureCode::NoAck);
}
