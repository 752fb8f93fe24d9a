//! When a message leaves, until when it may, and how it is taken back.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::sync::Semaphore;
use waypost_domain::{FailureCode, MessageId, MessageStatus, SessionId, SessionStatus};
use waypost_engine::SendFailure;
use waypost_gateway::{GatewayConfig, GatewayError};

use crate::{
    network::Behaviour,
    world::{World, impatient, steps},
};

const ADA: &str = "919876543210";
const BOB: &str = "919876543211";
/// Long enough to do something before it is over.
const SOON: Duration = Duration::from_millis(1500);

fn texts(world: &World) -> Vec<String> {
    world.network.sent.borrow().iter().map(|sent| sent.text.clone()).collect()
}

async fn failed_with(world: &World, id: MessageId, code: FailureCode) {
    let message = world.until(id, MessageStatus::Failed).await;
    assert_eq!(message.failure().unwrap().code, code, "{message:?}");
}

/// Accepts a text that expires soon.
async fn expiring(world: &World, session: SessionId, to: &str, text: &str) -> MessageId {
    let expires_at = world.env.now().plus(SOON);
    world.send_at(session, to, text, None, Some(expires_at)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_message_leaves_at_its_time() {
    let world = World::new().await;
    let session = world.connected_session().await;
    let at = world.env.now().plus(SOON);
    let id = world.send_at(session, ADA, "later", Some(at), None).await.unwrap();
    let now = world.send(session, ADA, "now").await;
    assert_eq!(world.message(id).await.status(), MessageStatus::Scheduled);
    world.until(now, MessageStatus::Sent).await;
    let message = world.until(id, MessageStatus::Sent).await;
    let all = [MessageStatus::Scheduled, MessageStatus::Queued, MessageStatus::Sending, MessageStatus::Sent];
    assert_eq!(steps(&message), all);
    for step in &message.timeline[1..] {
        assert!(step.at >= at, "it left before its time");
        assert!(step.at.since(at) < Duration::from_secs(1), "it left {:?} late", step.at.since(at));
    }
    assert_eq!(texts(&world), ["now", "later"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_due_while_nobody_ran_is_queued_at_the_start_and_waits_for_its_session() {
    let mut world = World::new().await;
    let session = world.session().await;
    let at = world.env.now().plus(Duration::from_millis(200));
    let id = world.send_at(session, ADA, "later", Some(at), None).await.unwrap();
    world.stop().await;
    while world.env.now() <= at {
        tokio::task::yield_now().await;
    }
    world.reopen().await;
    assert_eq!(world.message(id).await.status(), MessageStatus::Scheduled);
    world.start().await;
    world.until(id, MessageStatus::Queued).await;
    world.gateway.connect_session(world.tenant, session).await.unwrap();
    world.network.scan(session, "14155550100");
    world.until(id, MessageStatus::Sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_is_within_its_window_and_before_its_expiry() {
    let world = World::new().await;
    let session = world.session().await;
    let now = world.env.now();
    let (second, day) = (Duration::from_secs(1), Duration::from_hours(24));
    let refused = async |send_at, expires_at| match world.send_at(session, ADA, "hi", send_at, expires_at).await {
        Err(GatewayError::Validation(errors)) => errors.0.into_keys().collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(Some(now.minus(second)), None).await, ["sendAt"]);
    assert_eq!(refused(Some(now.plus(day * 35 + second * 60)), None).await, ["sendAt"]);
    assert_eq!(refused(None, Some(now)).await, ["expiresAt"]);
    assert_eq!(refused(Some(now.plus(day)), Some(now.plus(day))).await, ["expiresAt"]);
    assert_eq!(refused(Some(now.minus(day)), Some(now.minus(day))).await, ["expiresAt", "sendAt"]);
    let last = world.send_at(session, ADA, "hi", Some(now.plus(day * 35)), None).await.unwrap();
    let message = world.message(last).await;
    assert_eq!(message.expires_at, Some(now.plus(day * 36)), "the default counts from sendAt");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_expires_by_default_and_never_where_that_is_set() {
    let world = World::new().await;
    let session = world.session().await;
    let id = world.send(session, ADA, "hi").await;
    let message = world.message(id).await;
    assert_eq!(message.expires_at, Some(message.created_at.plus(Duration::from_hours(24))));
    let patient = World::with(GatewayConfig { message_expiry: None, ..GatewayConfig::default() }).await;
    let session = patient.session().await;
    let id = patient.send(session, ADA, "hi").await;
    assert_eq!(patient.message(id).await.expires_at, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_waits_for_its_session_expires_and_is_not_sent_when_the_session_is_back() {
    let world = World::new().await;
    let session = world.session().await;
    let id = expiring(&world, session, ADA, "too late").await;
    let stays = world.send(session, ADA, "in time").await;
    failed_with(&world, id, FailureCode::Expired).await;
    let message = world.message(id).await;
    assert_eq!(steps(&message), [MessageStatus::Queued, MessageStatus::Failed]);
    let late = message.timeline[1].at.since(message.expires_at.unwrap());
    assert!(late < Duration::from_secs(5), "it failed {late:?} after its time");
    world.gateway.connect_session(world.tenant, session).await.unwrap();
    world.network.scan(session, "14155550100");
    world.until(stays, MessageStatus::Sent).await;
    assert_eq!(texts(&world), ["in time"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_expired_while_no_process_ran_is_not_sent_at_the_start() {
    let mut world = World::new().await;
    let session = world.connected_session().await;
    world.stop().await;
    world.reopen().await;
    let id = world.send_at(session, ADA, "late", None, Some(world.env.now().plus(Duration::from_millis(50)))).await;
    let stays = world.send(session, ADA, "in time").await;
    while world.env.now() <= world.message(*id.as_ref().unwrap()).await.expires_at.unwrap() {
        tokio::task::yield_now().await;
    }
    world.start().await;
    world.until(stays, MessageStatus::Sent).await;
    failed_with(&world, id.unwrap(), FailureCode::Expired).await;
    assert_eq!(texts(&world), ["in time"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_expires_behind_a_slow_one_is_never_handed_over() {
    let world = World::new().await;
    let gate = Arc::new(Semaphore::new(0));
    world.network.behave({
        let gate = gate.clone();
        move |message, _| if message.to.user() == ADA { Behaviour::Gate(gate.clone()) } else { Behaviour::Ack }
    });
    let session = world.connected_session().await;
    let slow = world.send(session, ADA, "slow").await;
    world.network.until_sent(1).await;
    let behind = expiring(&world, session, ADA, "behind").await;
    let next = world.send(session, ADA, "next").await;
    // It is claimed, and waits in memory.
    world.until(behind, MessageStatus::Sending).await;
    failed_with(&world, behind, FailureCode::Expired).await;
    gate.add_permits(100);
    world.until(slow, MessageStatus::Sent).await;
    world.until(next, MessageStatus::Sent).await;
    assert_eq!(texts(&world), ["slow", "next"]);
    assert_eq!(world.message(behind).await.status(), MessageStatus::Failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_sent_once_does_not_go_out_again_after_its_expiry() {
    let world = World::with(GatewayConfig { send_attempts: 1000, ..impatient() }).await;
    world.network.behave(|_, _| Behaviour::Silent);
    let session = world.connected_session().await;
    let id = expiring(&world, session, ADA, "anybody?").await;
    failed_with(&world, id, FailureCode::NoAck).await;
    let message = world.message(id).await;
    let reason = message.timeline.last().unwrap().reason.clone().unwrap();
    assert!(reason.starts_with("no acknowledgement before it expired; sent"), "{reason}");
    let sends = texts(&world).len();
    // Another one goes the whole way; the expired one does not come along.
    world.network.behave(|_, _| Behaviour::Ack);
    let other = world.send(session, BOB, "other").await;
    world.until(other, MessageStatus::Sent).await;
    assert_eq!(texts(&world).len(), sends + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_takes_nothing_though_connected_holds_no_message_past_its_expiry() {
    let world = World::new().await;
    world.network.behave(|_, _| Behaviour::Fail(SendFailure::Park { reason: "not now".to_owned() }));
    let session = world.connected_session().await;
    let id = expiring(&world, session, ADA, "parked").await;
    failed_with(&world, id, FailureCode::Expired).await;
    assert_eq!(world.gateway.session_status(world.tenant, session).await.unwrap(), SessionStatus::Connected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canceled_message_is_never_sent_and_one_that_cannot_be_canceled_always_is() {
    let world = World::new().await;
    let session = world.connected_session().await;
    let mut accepted = Vec::new();
    for number in 0..200 {
        let to = format!("9198765{:05}", number % 7);
        accepted.push((world.send(session, &to, &format!("{number}")).await, number));
    }
    let cancellations = accepted.iter().rev().map(|(id, _)| world.gateway.cancel_message(world.tenant, *id));
    let mut outcomes = futures::future::join_all(cancellations).await;
    outcomes.reverse();
    let mut canceled = HashSet::new();
    for ((id, number), outcome) in accepted.iter().zip(outcomes) {
        match outcome {
            Ok(message) => {
                assert_eq!(message.status(), MessageStatus::Canceled);
                canceled.insert(number.to_string());
            }
            Err(GatewayError::Conflict(sentence)) => {
                assert!(sentence.starts_with("The message is s"), "sending or sent: {sentence}");
                world.until(*id, MessageStatus::Sent).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    let end = world.send(session, ADA, "end").await;
    world.until(end, MessageStatus::Sent).await;
    let sent = texts(&world);
    let once: HashSet<String> = sent.iter().cloned().collect();
    assert_eq!(once.len(), sent.len(), "shown twice");
    assert!(once.is_disjoint(&canceled), "a canceled message was sent");
    assert_eq!(once.len() + canceled.len(), 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_falls_back_into_the_queue_can_be_canceled_again() {
    let world = World::new().await;
    let gate = Arc::new(Semaphore::new(0));
    world.network.behave({
        let gate = gate.clone();
        move |_, _| Behaviour::Gate(gate.clone())
    });
    let session = world.connected_session().await;
    let first = world.send(session, ADA, "first").await;
    world.network.until_sent(1).await;
    let behind = world.send(session, ADA, "behind").await;
    world.until(behind, MessageStatus::Sending).await;
    let refused = world.gateway.cancel_message(world.tenant, behind).await;
    assert!(matches!(refused, Err(GatewayError::Conflict(_))), "{refused:?}");
    world.network.lose(session);
    gate.add_permits(100);
    world.until(behind, MessageStatus::Queued).await;
    let message = world.gateway.cancel_message(world.tenant, behind).await.unwrap();
    assert_eq!(message.status(), MessageStatus::Canceled);
    world.network.behave(|_, _| Behaviour::Ack);
    world.network.connected(session);
    world.until(first, MessageStatus::Sent).await;
    let end = world.send(session, ADA, "end").await;
    world.until(end, MessageStatus::Sent).await;
    assert!(!texts(&world).contains(&"behind".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_cancels_and_only_what_has_not_left() {
    let world = World::new().await;
    let session = world.connected_session().await;
    let at = world.env.now().plus(Duration::from_hours(1));
    let scheduled = world.send_at(session, ADA, "later", Some(at), None).await.unwrap();
    let stranger = world.other_tenant().await;
    let theirs = world.gateway.cancel_message(stranger, scheduled).await;
    assert!(matches!(theirs, Err(GatewayError::NotFound("message"))), "{theirs:?}");
    let canceled = world.gateway.cancel_message(world.tenant, scheduled).await.unwrap();
    assert_eq!(steps(&canceled), [MessageStatus::Scheduled, MessageStatus::Canceled]);
    let sent = world.send(session, ADA, "now").await;
    world.until(sent, MessageStatus::Sent).await;
    for (id, status) in [(scheduled, "canceled"), (sent, "sent")] {
        match world.gateway.cancel_message(world.tenant, id).await {
            Err(GatewayError::Conflict(sentence)) => assert!(sentence.contains(status), "{sentence}"),
            other => panic!("{other:?}"),
        }
    }
}
