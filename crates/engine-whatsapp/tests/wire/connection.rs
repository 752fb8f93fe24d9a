//! Connections that break, end, and come back.

use waypost_domain::SessionEvent;
use waypost_engine::SendFailure;

use crate::bench::{Bench, jid, text, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_connection_is_reported_and_made_again() {
    let bench = Bench::new().await;
    let alice = bench.linked("4915100000001").await;
    bench.sink.forget();
    assert!(alice.account.cut(alice.device));
    bench.sink.connected(alice.id, 1).await;
    let heard = bench.sink.heard();
    let events: Vec<&SessionEvent> = heard.of(alice.id).collect();
    assert!(
        matches!(
            events.as_slice(),
            [SessionEvent::ConnectionLost { .. }, SessionEvent::Connecting, SessionEvent::Connected { .. }]
        ),
        "{events:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_cannot_be_reached_is_reported_once_and_tried_on() {
    let mut bench = Bench::new().await;
    bench.lose_the_network();
    let id = bench.env.new_id();
    let link = bench.open(id, "nowhere").await;
    link.connect().await.unwrap();
    bench
        .sink
        .until("a lost connection", |heard| {
            heard.of(id).find(|event| matches!(event, SessionEvent::ConnectionLost { .. })).map(drop)
        })
        .await;
    let heard = bench.sink.heard();
    let told = heard.of(id).filter(|event| matches!(event, SessionEvent::ConnectionLost { .. })).count();
    assert_eq!(told, 1);
    assert!(!heard.of(id).any(|event| matches!(event, SessionEvent::Ended(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disconnected_session_parks_its_messages_and_connects_without_a_qr_code() {
    let bench = Bench::new().await;
    let alice = bench.linked("4915100000001").await;
    let message = text(&bench.env, &jid("4915100000002"), "hello");
    alice.link.disconnect().await;
    until("the socket is closed", || !alice.account.is_connected(alice.device)).await;
    assert!(matches!(bench.send(&alice, &message).await, Err(SendFailure::Park { .. })));
    bench.sink.forget();
    alice.link.connect().await.unwrap();
    bench.sink.connected(alice.id, 1).await;
    let heard = bench.sink.heard();
    assert!(!heard.of(alice.id).any(|event| matches!(event, SessionEvent::Qr { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_link_closes_its_connection() {
    let bench = Bench::new().await;
    let alice = bench.linked("4915100000001").await;
    bench.sink.forget();
    drop(alice.link);
    until("the socket is closed", || !alice.account.is_connected(alice.device)).await;
    assert!(bench.sink.heard().no_events());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_opened_twice_has_one_connection() {
    let bench = Bench::new().await;
    let alice = bench.linked("4915100000001").await;
    let second = bench.open(alice.id, "4915100000001").await;
    until("the first is closed", || !alice.account.is_connected(alice.device)).await;
    second.connect().await.unwrap();
    bench.sink.connected(alice.id, 2).await;
    assert!(matches!(
        bench.send(&alice, &text(&bench.env, &jid("4915100000002"), "hello")).await,
        Err(SendFailure::Park { .. })
    ));
}

/// The client makes a lost connection again by itself, before anybody has put what died with it back in its place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_for_a_connection_that_is_gone_does_not_leave_on_the_next() {
    let bench = Bench::new().await;
    let alice = bench.linked("4915100000001").await;
    let bob = bench.linked("4915100000002").await;
    let before = bench.sink.connection(alice.id);
    bench.sink.forget();
    assert!(alice.account.cut(alice.device));
    bench.sink.connected(alice.id, 1).await;
    assert_ne!(bench.sink.connection(alice.id), before);
    let late = text(&bench.env, &bob.jid, "late");
    assert!(matches!(alice.link.send(before, &late).await, Err(SendFailure::Park { .. })));
    let again = text(&bench.env, &bob.jid, "again");
    bench.send(&alice, &again).await.unwrap();
    let shown = bench.sink.until("a message", |heard| heard.inbound_of(bob.id).next().cloned()).await;
    assert_eq!(shown.wa_id, again.wa_id);
}
