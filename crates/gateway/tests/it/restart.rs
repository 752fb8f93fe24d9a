//! Lost connections and restarts: what was on its way goes on under its id (docs/guarantees.md 1, 2 and 6).

use std::time::Duration;

use tokio::time::timeout;
use waypost_domain::{MessageStatus, SessionId, SessionStatus};
use waypost_engine::SendFailure;
use waypost_gateway::lists::{MessageFilter, PageRequest};

use crate::{
    network::Behaviour,
    world::{World, steps},
};

const ADA: &str = "919876543210";
const BOB: &str = "919876543211";

#[tokio::test(flavor = "multi_thread")]
async fn messages_for_a_session_that_is_not_connected_wait_until_it_is() {
    let world = World::new().await;
    let session = world.session().await;
    let mut ids = Vec::new();
    for text in ["0", "1", "2"] {
        ids.push(world.send(session, ADA, text).await);
    }
    assert_eq!(world.message(ids[0]).await.status(), MessageStatus::Queued);
    world.gateway.connect_session(world.tenant, session).await.unwrap();
    world.network.scan(session, "14155550100");
    for id in ids {
        world.until(id, MessageStatus::Sent).await;
    }
    let texts: Vec<_> = world.network.sent.borrow().iter().map(|sent| sent.text.clone()).collect();
    assert_eq!(texts, ["0", "1", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unanswered_when_the_connection_is_lost_goes_out_again_first_under_its_id() {
    let world = World::new().await;
    world.network.behave(|_, earlier| if earlier == 0 { Behaviour::Silent } else { Behaviour::Ack });
    let session = world.connected_session().await;
    let first = world.send(session, ADA, "0").await;
    let second = world.send(session, BOB, "1").await;
    world.network.until_sent(2).await;
    world.network.lose(session);
    world.until_session(session, SessionStatus::Disconnected).await;
    let third = world.send(session, ADA, "2").await;
    assert_eq!(world.message(first).await.status(), MessageStatus::Sending);
    assert_eq!(world.message(third).await.status(), MessageStatus::Queued);

    world.network.connected(session);
    world.until(first, MessageStatus::Sent).await;
    world.until(second, MessageStatus::Sent).await;
    let sent = world.network.until_sent(5).await;
    let to_ada: Vec<_> =
        sent.iter().filter(|sent| sent.to.user() == ADA).map(|sent| (sent.text.as_str(), &sent.wa_id)).collect();
    assert_eq!((to_ada[0], to_ada[1].0, to_ada[2].0), (to_ada[1], "0", "2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_message_goes_back_to_the_queue_and_out_when_the_session_is_back() {
    let world = World::new().await;
    world.network.behave(|_, earlier| {
        if earlier == 0 {
            Behaviour::Fail(SendFailure::Park { reason: "not connected".to_owned() })
        } else {
            Behaviour::Ack
        }
    });
    let session = world.connected_session().await;
    let first = world.send(session, ADA, "0").await;
    world
        .until_message(first, "a step back to queued", |message| {
            steps(message) == [MessageStatus::Queued, MessageStatus::Sending, MessageStatus::Queued]
        })
        .await;
    world.network.lose(session);
    world.until_session(session, SessionStatus::Disconnected).await;
    world.network.connected(session);
    let message = world.until(first, MessageStatus::Sent).await;
    assert!(world.network.sent.borrow().iter().all(|sent| sent.wa_id == message.wa_id));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_message_goes_out_even_where_the_session_never_left_connected() {
    let world = World::new().await;
    world.network.behave(|_, earlier| {
        if earlier < 2 { Behaviour::Fail(SendFailure::Park { reason: "busy".to_owned() }) } else { Behaviour::Ack }
    });
    let session = world.connected_session().await;
    let ids = [world.send(session, ADA, "0").await, world.send(session, ADA, "1").await];
    for id in ids {
        world.until(id, MessageStatus::Sent).await;
    }
    let mut texts: Vec<_> = world.network.sent.borrow().iter().map(|sent| sent.text.clone()).collect();
    texts.dedup();
    assert_eq!(texts, ["0", "1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_sessions_come_back_and_what_was_sending_goes_out_first_under_its_id() {
    let mut world = World::new().await;
    let session = world.connected_session().await;
    world.stop().await;

    // A process that died between claim and acknowledgement, with more in the queue.
    world.reopen().await;
    let first = world.send(session, ADA, "0").await;
    let claimed = world.store.claim_queued_system(session, &[], 10, world.env.now()).await.unwrap().messages;
    let second = world.send(session, ADA, "1").await;
    assert_eq!(world.message(first).await.status(), MessageStatus::Sending);

    world.start().await;
    world.until(first, MessageStatus::Sent).await;
    world.until(second, MessageStatus::Sent).await;
    let sent = world.network.sent.borrow().clone();
    assert_eq!(sent[0].wa_id, claimed[0].outgoing.wa_id);
    assert_eq!(sent.iter().map(|sent| sent.text.as_str()).collect::<Vec<_>>(), ["0", "1"]);
    world.until_session(session, SessionStatus::Connected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_disconnected_on_purpose_stays_so_after_a_restart() {
    let mut world = World::new().await;
    let (stays, comes_back) = (world.connected_session().await, world.connected_session().await);
    world.gateway.disconnect_session(world.tenant, stays).await.unwrap();
    world.stop().await;
    world.reopen().await;
    world.start().await;
    world.until_session(comes_back, SessionStatus::Connected).await;
    assert_eq!(world.gateway.session_status(world.tenant, stays).await.unwrap(), SessionStatus::Disconnected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_caller_went_away_after_the_commit_is_sent_all_the_same() {
    let world = World::new().await;
    let session = world.connected_session().await;
    // Callers that go away ever later: before, while and after their message is committed.
    for patience in 0..50 {
        let patience = Duration::from_micros(200 * patience);
        let _ = timeout(patience, world.try_send(session, ADA, "hi", false)).await;
        all_are_sent(&world, session).await;
    }
}

/// Waits until whatever is committed is sent, though nothing new comes to wake the dispatcher.
async fn all_are_sent(world: &World, session: SessionId) {
    // What is still on its way into the database is there after a write that comes behind it.
    world.store.prune_refresh_tokens_system(world.env.now()).await.unwrap();
    let filter = MessageFilter { session_id: Some(session), ..MessageFilter::default() };
    let page = PageRequest::Number { page: 1, limit: 100 };
    let messages = world.gateway.list_messages(world.tenant, filter, page).await.unwrap().items;
    for message in messages {
        world.until(message.id, MessageStatus::Sent).await;
    }
}
