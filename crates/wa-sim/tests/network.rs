//! Misbehaviour of connections, as clients see it.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::struct_field_names,
    reason = "a test fails where it stands"
)]

#[allow(dead_code, reason = "shared with the other tests")]
mod support;

use std::time::{Duration, Instant};
use support::{Companion, Wire, admin, attr, login_payload_as, opaque_message};
use wa_sim::{Config, ConnectionFault, ConnectionRule, Failure, Link, Refuse, Refusing, Scope, Sim, StreamError};
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

async fn pair() -> (Sim, Companion, Companion) {
    let sim = Sim::start(Config { phone_receipts: false, ..Config::default() }).await.unwrap();
    let (ann, bob) = (Companion::link(&sim, "Ann", None).await, Companion::link(&sim, "Bob", None).await);
    (sim, ann, bob)
}

fn ping(id: &str) -> Node {
    NodeBuilder::new("iq").attr("id", id).attr("xmlns", "w:p").attr("type", "get").build()
}

fn scope(companion: &Companion) -> Scope {
    Scope::account(&companion.paired.pn)
}

async fn send(wire: &mut Wire, id: &str, to: &Companion) -> Node {
    wire.send(&opaque_message(id, &to.jid(), &[to.jid()])).await;
    wire.until(|node| node.tag == "ack" && attr(node, "id") == id).await
}

/// Past the phone's welcome, so that nothing else is on the way.
async fn settled(companion: &Companion, sim: &Sim) -> Wire {
    let mut wire = companion.connect(sim).await;
    let mut peers = Vec::new();
    while peers.len() < 2 {
        peers.push(attr(&wire.until(|node| node.tag == "message").await, "id"));
    }
    for id in peers {
        wire.send(&support::receipt(&id, &companion.jid().to_non_ad(), None)).await;
        wire.until(|node| node.tag == "ack").await;
    }
    wire
}

#[tokio::test]
async fn a_silent_server_keeps_the_socket_and_says_nothing() {
    let (sim, ann, bob) = pair().await;
    let (mut a, mut b) = (settled(&ann, &sim).await, settled(&bob, &sim).await);
    let rule = sim.network().add(ConnectionRule::new(ConnectionFault::Silence { pong: false }, scope(&bob)));
    b.send(&ping("unheard")).await;
    futures::SinkExt::send(&mut b.socket, tokio_tungstenite::tungstenite::Message::Ping(vec![1].into())).await.unwrap();
    send(&mut a, "M1", &bob).await;
    b.send(&opaque_message("lost", &ann.jid(), &[ann.jid()])).await;
    // A new connection of the same device is met with silence from its login on.
    let mut again = Wire::open(&sim, &bob.identity.noise, &support::login_payload(&bob.paired)).await;
    while !sim.network().logins(Some(&bob.paired.pn)).accounts[&bob.paired.pn].last().unwrap().replaced {
        tokio::task::yield_now().await;
    }
    assert!(sim.network().remove(rule));
    again.send(&ping("heard")).await;
    assert_eq!(attr(&again.next().await.unwrap(), "id"), "heard", "nothing was said before");
    // Nothing that waited was lost.
    let mut b = bob.connect(&sim).await;
    let received = b.until(|node| node.tag == "message").await;
    assert_eq!(attr(&received, "id"), "M1");
    a.send(&ping("p")).await;
    assert_eq!(attr(&a.next().await.unwrap(), "id"), "p", "what a silent connection said was not relayed");
}

#[tokio::test]
async fn a_server_that_is_silent_to_everybody_does_not_even_shake_hands() {
    let (sim, ann, _) = pair().await;
    let (status, rule) = admin(&sim, "POST", "network/faults", r#"{"kind":"silence"}"#).await;
    assert_eq!((status, &rule["id"]), (201, &1.into()));
    let payload = support::login_payload(&ann.paired);
    let opening = Wire::open(&sim, &ann.identity.noise, &payload);
    assert!(tokio::time::timeout(Duration::from_millis(200), opening).await.is_err());
    assert_eq!(admin(&sim, "DELETE", "network/faults/1", "").await.0, 204);
    ann.connect(&sim).await;
}

#[tokio::test]
async fn a_deaf_login_succeeds_and_then_there_is_silence_once() {
    let (sim, ann, _) = pair().await;
    let handle = sim.find_account(&ann.paired.pn).unwrap();
    handle.connection_fault(ConnectionFault::DeafLogin, Some(1));
    let (mut wire, first) = ann.try_log_in(&sim).await;
    assert_eq!(first.unwrap().tag, "success");
    wire.send(&ping("unheard")).await;
    let next = tokio::time::timeout(Duration::from_millis(200), wire.next()).await;
    assert!(next.is_err(), "{next:?}");
    ann.connect(&sim).await;
}

#[tokio::test]
async fn a_deaf_connection_answers_pings_and_takes_no_messages() {
    let (sim, ann, bob) = pair().await;
    let (mut a, mut b) = (settled(&ann, &sim).await, settled(&bob, &sim).await);
    sim.network().add(ConnectionRule::new(ConnectionFault::Deaf, scope(&ann)));
    a.send(&opaque_message("lost", &bob.jid(), &[bob.jid()])).await;
    send(&mut b, "kept", &ann).await;
    a.send(&ping("p1")).await;
    assert_eq!(attr(&a.next().await.unwrap(), "id"), "p1");
    b.send(&ping("p2")).await;
    assert_eq!(attr(&b.next().await.unwrap(), "id"), "p2", "the message was not relayed");
    sim.network().clear();
    let mut a = ann.connect(&sim).await;
    assert_eq!(attr(&a.until(|node| node.tag == "message").await, "id"), "kept");
}

#[tokio::test]
async fn logins_fail_as_often_as_told_with_what_a_ban_says() {
    let (sim, ann, bob) = pair().await;
    for reason in [401, 403, 405, 406, 409, 500, 503] {
        let failure = ConnectionFault::Failure(Failure { reason, ..Failure::default() });
        sim.network().add(ConnectionRule::new(failure, scope(&ann)).times(1));
        let (mut wire, first) = ann.try_log_in(&sim).await;
        let first = first.unwrap();
        assert_eq!((first.tag.as_ref(), attr(&first, "reason")), ("failure", reason.to_string()));
        assert!(wire.next().await.is_none(), "the server closes");
    }
    let body =
        format!(r#"{{"kind":"failure","reason":402,"code":103,"expire":7200,"pn":"{}","times":1}}"#, ann.paired.pn);
    assert_eq!(admin(&sim, "POST", "network/faults", &body).await.0, 201);
    bob.connect(&sim).await;
    let ban = ann.try_log_in(&sim).await.1.unwrap();
    assert_eq!(
        (attr(&ban, "reason"), attr(&ban, "code"), attr(&ban, "expire")),
        ("402".into(), "103".into(), "7200".into())
    );
    ann.connect(&sim).await;
    let book = sim.network().logins(Some(&ann.paired.pn));
    let outcomes: Vec<_> = book.accounts[&ann.paired.pn].iter().map(|attempt| attempt.outcome.as_str()).collect();
    assert_eq!(outcomes.len(), 9);
    assert_eq!((outcomes[0], outcomes[7], outcomes[8]), ("failure 401", "failure 402", "success"));
}

#[tokio::test]
async fn stream_errors_come_on_demand_and_at_the_next_login() {
    let (sim, ann, _) = pair().await;
    for (body, code, child) in [
        (r#"{"code":503}"#, "503", None),
        (r#"{"conflict":"device_removed"}"#, "", Some("conflict")),
        (r#"{"ack":"3EB0AA"}"#, "", Some("ack")),
    ] {
        let mut wire = ann.connect(&sim).await;
        assert_eq!(admin(&sim, "POST", "network/stream-error", body).await.1["sent"], 1);
        let error = wire.until_tag("stream:error").await;
        assert_eq!((error.tag.as_ref(), attr(&error, "code").as_str()), ("stream:error", code));
        assert_eq!(child.is_some(), child.is_some_and(|child| error.get_optional_child(child).is_some()));
        assert!(wire.next().await.is_none(), "the server closes");
    }
    let fault = ConnectionFault::StreamError(StreamError::conflict("replaced"));
    sim.network().add(ConnectionRule::new(fault, scope(&ann)).times(1));
    let (mut wire, first) = ann.try_log_in(&sim).await;
    assert_eq!(first.unwrap().tag, "success");
    let conflict = wire.next().await.unwrap();
    assert_eq!(attr(conflict.get_optional_child("conflict").unwrap(), "type"), "replaced");
    ann.connect(&sim).await;
}

#[tokio::test]
async fn a_socket_is_cut_with_a_stanza_that_is_taken_and_not_answered() {
    let (sim, ann, bob) = pair().await;
    let (mut a, mut b) = (settled(&ann, &sim).await, settled(&bob, &sim).await);
    let body = format!(r#"{{"pn":"{}","afterStanzas":2}}"#, ann.paired.pn);
    assert_eq!(admin(&sim, "POST", "network/close", &body).await.1["closed"], 1);
    send(&mut a, "M1", &bob).await;
    a.send(&opaque_message("M2", &bob.jid(), &[bob.jid()])).await;
    assert!(a.next().await.is_none(), "no ack");
    for id in ["M1", "M2"] {
        assert_eq!(attr(&b.until(|node| node.tag == "message").await, "id"), id);
    }
    let mut a = ann.connect(&sim).await;
    assert_eq!(sim.network().close(&Scope::everybody(), None), 2);
    while a.next().await.is_some() {}
    while b.next().await.is_some() {}
}

#[tokio::test]
async fn connects_are_refused_in_three_ways_and_then_accepted() {
    let (sim, ann, _) = pair().await;
    let mut before = settled(&ann, &sim).await;
    let knock = async || {
        let stream = tokio::net::TcpStream::connect(sim.addr()).await.map_err(|error| error.to_string())?;
        tokio_tungstenite::client_async(sim.ws_url(), stream).await.map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(admin(&sim, "POST", "network/refuse", r#"{"how":"http503"}"#).await.0, 200);
    assert!(knock().await.unwrap_err().contains("503"));
    assert_eq!(admin(&sim, "POST", "network/refuse", r#"{"how":"close"}"#).await.0, 200);
    let error = knock().await.unwrap_err();
    assert!(!error.contains("503"), "{error}");
    assert_eq!(admin(&sim, "DELETE", "network/refuse", "").await.0, 204);
    knock().await.unwrap();
    assert_eq!(sim.network().logins(None).refused_connects, 2);

    assert_eq!(admin(&sim, "POST", "network/refuse", r#"{"how":"notListening"}"#).await.0, 400);
    sim.network().refuse(Refuse { how: Refusing::NotListening, for_ms: Some(300) });
    while tokio::net::TcpStream::connect(sim.addr()).await.is_ok() {}
    before.iq("still", "w:p", "get", Vec::new()).await;
    while knock().await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_client_below_the_minimum_version_is_outdated() {
    let (sim, ann, _) = pair().await;
    assert_eq!(admin(&sim, "POST", "min-version", r#"{"version":"3000"}"#).await.0, 400);
    assert_eq!(admin(&sim, "POST", "min-version", r#"{"version":"2.3000.1050000000"}"#).await.0, 200);
    assert_eq!(attr(&ann.try_log_in(&sim).await.1.unwrap(), "reason"), "405");
    let newer = login_payload_as(&ann.paired, [2, 3000, 1_050_000_000]);
    Wire::open(&sim, &ann.identity.noise, &newer).await.until_tag("success").await;
    let book = admin(&sim, "GET", "logins", "").await.1;
    let attempts = &book["accounts"][&ann.paired.pn];
    assert_eq!(
        (&attempts[0]["outcome"], &attempts[1]["version"]),
        (&"failure 405".into(), &"2.3000.1050000000".into())
    );
}

#[tokio::test]
async fn a_slow_link_is_late_and_keeps_order() {
    let (sim, ann, bob) = pair().await;
    let (mut a, mut b) = (settled(&ann, &sim).await, settled(&bob, &sim).await);
    sim.network().set_link(Link { scope: scope(&bob), latency_ms: 150, jitter_ms: 50, bytes_per_sec: 0 });
    let started = Instant::now();
    for n in 0..20 {
        send(&mut a, &format!("M{n}"), &bob).await;
    }
    for n in 0..20 {
        assert_eq!(attr(&b.until(|node| node.tag == "message").await, "id"), format!("M{n}"));
    }
    assert!(started.elapsed() >= Duration::from_millis(150));
    let body = format!(r#"{{"pn":"{}","device":1,"bytesPerSec":10000}}"#, bob.paired.pn);
    assert_eq!(admin(&sim, "POST", "network", &body).await.1["links"][1]["bytesPerSec"], 10000);
    let started = Instant::now();
    let padding = "x".repeat(3000);
    let big = NodeBuilder::new("iq").attr("id", "big").attr("xmlns", "w:p").attr("type", "get").string_content(padding);
    b.send(&big.build()).await;
    b.until(|node| attr(node, "id") == "big").await;
    assert!(started.elapsed() >= Duration::from_millis(300), "3,000 bytes at 10,000 a second");
    assert_eq!(admin(&sim, "DELETE", "network", "").await.0, 204);
    assert!(sim.network().links().is_empty());
}

#[tokio::test]
async fn reconnect_storms_and_replaced_sockets_are_counted() {
    let (sim, ann, _) = pair().await;
    sim.network().reset_logins();
    let first = ann.connect(&sim).await;
    let mut sockets = vec![first];
    for _ in 0..4 {
        sockets.push(ann.connect(&sim).await);
    }
    let book = sim.network().logins(None);
    assert_eq!((book.attempts, book.successes, book.replaced), (5, 5, 4));
    assert!((1..=5).contains(&book.peak_successes_per_second));
    assert!(!book.accounts[&ann.paired.pn][0].replaced && book.accounts[&ann.paired.pn][4].replaced);
    assert_eq!(admin(&sim, "DELETE", "logins", "").await.0, 204);
    assert_eq!(sim.network().logins(None).attempts, 0);
}
