//! Messages of one session to one chat leave in the order accepted, and no chat or session delays another
//! (docs/guarantees.md 4).

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::future::join_all;
use tokio::sync::Semaphore;
use waypost_domain::{MessageStatus, SessionEvent};
use waypost_engine::SendFailure;
use waypost_gateway::GatewayConfig;

use crate::{
    network::Behaviour,
    world::{World, steps},
};

fn chat(number: usize) -> String {
    format!("9198765{number:05}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_chat_keeps_its_order_and_delays_no_other() {
    let world = World::new().await;
    let gate = Arc::new(Semaphore::new(0));
    let slow = chat(0);
    world.network.behave({
        let (gate, slow) = (gate.clone(), slow.clone());
        move |message, _| {
            if message.to.user() == slow { Behaviour::Gate(gate.clone()) } else { Behaviour::Ack }
        }
    });
    let session = world.connected_session().await;
    // More for the slow chat than one claim takes, before all others.
    let mut slow_ids = Vec::new();
    for number in 0..100 {
        slow_ids.push(world.send(session, &slow, &format!("{number}")).await);
    }
    let mut others = Vec::new();
    for round in 0..20 {
        for number in 1..=5 {
            others.push(world.send(session, &chat(number), &format!("{round}")).await);
        }
    }
    for id in &others {
        world.until(*id, MessageStatus::Sent).await;
    }
    assert_eq!(world.message(slow_ids[0]).await.status(), MessageStatus::Sending);
    assert_ne!(world.message(slow_ids[99]).await.status(), MessageStatus::Sent);

    gate.add_permits(100);
    for id in &slow_ids {
        world.until(*id, MessageStatus::Sent).await;
    }
    let mut by_chat: HashMap<_, Vec<usize>> = HashMap::new();
    for sent in world.network.sent.borrow().iter() {
        by_chat.entry(sent.to.clone()).or_default().push(sent.text.parse().unwrap());
    }
    assert_eq!(by_chat.len(), 6);
    assert!(by_chat.values().all(|texts| texts.is_sorted()), "{by_chat:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_chat_keeps_its_order_and_delays_no_other() {
    let world = World::new().await;
    let failing = chat(0);
    world.network.behave({
        let failing = failing.clone();
        move |message, earlier| {
            if message.to.user() == failing && earlier < 2 {
                Behaviour::Fail(SendFailure::Retry { reason: "timed out".to_owned() })
            } else {
                Behaviour::Ack
            }
        }
    });
    let session = world.connected_session().await;
    let first = world.send(session, &failing, "0").await;
    let second = world.send(session, &failing, "1").await;
    let other = world.send(session, &chat(1), "other").await;
    world.until(other, MessageStatus::Sent).await;
    assert_eq!(world.message(first).await.status(), MessageStatus::Sending);
    world.until(second, MessageStatus::Sent).await;
    let sent = world.network.sent.borrow().clone();
    let failing_texts: Vec<_> =
        sent.iter().filter(|sent| sent.to.user() == failing).map(|sent| sent.text.as_str()).collect();
    assert_eq!(failing_texts, ["0", "0", "0", "1", "1", "1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_session_delays_no_other() {
    let world = World::new().await;
    let (stuck, free) = (world.connected_session().await, world.connected_session().await);
    let gate = Arc::new(Semaphore::new(0));
    world.network.behave({
        let gate = gate.clone();
        move |message, _| {
            if message.to.user().ends_with("00000") { Behaviour::Gate(gate.clone()) } else { Behaviour::Ack }
        }
    });
    let waiting = world.send(stuck, &chat(0), "stuck").await;
    for number in 1..50 {
        let id = world.send(free, &chat(number), "free").await;
        world.until(id, MessageStatus::Sent).await;
    }
    assert_eq!(world.message(waiting).await.status(), MessageStatus::Sending);
    gate.add_permits(1);
    world.until(waiting, MessageStatus::Sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn under_load_every_message_leaves_once_and_every_chat_keeps_its_order() {
    const CHATS: usize = 40;
    const EACH: usize = 50;
    let world = World::new().await;
    let sessions = join_all((0..3).map(|_| world.connected_session())).await;
    let senders = sessions.iter().flat_map(|session| (0..CHATS).map(move |number| (*session, number)));
    let ids = join_all(senders.map(async |(session, number)| {
        let mut ids = Vec::new();
        for text in 0..EACH {
            ids.push(world.send(session, &chat(number), &text.to_string()).await);
        }
        ids
    }))
    .await;
    for id in ids.into_iter().flatten() {
        world.until(id, MessageStatus::Sent).await;
    }
    let mut by_chat: HashMap<_, Vec<usize>> = HashMap::new();
    for sent in world.network.sent.borrow().iter() {
        by_chat.entry((sent.session, sent.to.clone())).or_default().push(sent.text.parse().unwrap());
    }
    assert_eq!(by_chat.len(), 3 * CHATS);
    let expected: Vec<_> = (0..EACH).collect();
    assert!(by_chat.values().all(|texts| *texts == expected));
}

/// A client makes a lost connection again faster than the loss is told. What is accepted meanwhile must not get ahead of
/// what died with the connection before.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_out_on_a_connection_that_was_not_heard_of() {
    let world = World::new().await;
    world.network.behave(|_, _| Behaviour::Silent);
    let session = world.connected_session().await;
    let mut ids = Vec::new();
    for text in ["0", "1", "2"] {
        ids.push(world.send(session, &chat(0), text).await);
    }
    world.network.until_sent(3).await;
    let connection = world.network.make_connection(session);
    let early = world.send(session, &chat(0), "3").await;
    world
        .until_message(early, "a step back to queued", |message| {
            steps(message) == [MessageStatus::Queued, MessageStatus::Sending, MessageStatus::Queued]
        })
        .await;
    world.network.behave(|_, _| Behaviour::Ack);
    // Nobody says that the one before was lost.
    world.network.session_event(session, SessionEvent::Connected { connection, push_name: None });
    for id in ids.into_iter().chain([early]) {
        world.until(id, MessageStatus::Sent).await;
    }
    let texts: Vec<_> = world.network.sent.borrow().iter().map(|sent| sent.text.clone()).collect();
    assert_eq!(texts, ["0", "1", "2", "0", "1", "2", "3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_died_with_a_connection_goes_out_again_at_once_though_nobody_told_of_the_loss() {
    // Nothing goes out again for want of an acknowledgement.
    let world = World::with(GatewayConfig { ack_timeout: Duration::from_hours(1), ..GatewayConfig::default() }).await;
    world.network.behave(|_, earlier| if earlier == 0 { Behaviour::Silent } else { Behaviour::Ack });
    let session = world.connected_session().await;
    let id = world.send(session, &chat(0), "0").await;
    world.network.until_sent(1).await;
    world.network.connected(session);
    world.until(id, MessageStatus::Sent).await;
}
