//! Linking, and its end.

use waypost_domain::{EndReason, SessionEvent};
use waypost_engine::{Engine as _, LinkError};

use crate::bench::{Bench, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scanned_qr_code_links_then_connects() {
    let bench = Bench::new().await;
    let alice = bench.linked("4915100000001").await;
    let heard = bench.sink.heard();
    let steps: Vec<&str> = heard
        .of(alice.id)
        .map(|event| match event {
            SessionEvent::Connecting => "connecting",
            SessionEvent::Qr { expires_at, .. } => {
                assert!(*expires_at > bench.env.now(), "a QR code says how long it lasts");
                "qr"
            }
            SessionEvent::Linked { phone_number, lid, .. } => {
                assert_eq!(phone_number.as_str(), "4915100000001");
                assert_eq!(lid.as_ref().unwrap().user(), alice.account.lid());
                "linked"
            }
            SessionEvent::Connected { .. } => "connected",
            other => panic!("unexpected {other:?}"),
        })
        .collect();
    assert_eq!(steps, ["connecting", "qr", "linked", "connected"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connecting_twice_changes_nothing() {
    let bench = Bench::new().await;
    let alice = bench.linked("4915100000001").await;
    alice.link.connect().await.unwrap();
    assert_eq!(alice.account.devices().len(), 1);
    assert_eq!(bench.sink.heard().times_connected(alice.id), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pairing_code_links_as_a_qr_code_does() {
    let bench = Bench::new().await;
    let id = bench.env.new_id();
    let link = bench.open(id, "support").await;
    let number = "4915100000002".parse().unwrap();
    let code = link.pairing_code(&number).await.unwrap();
    assert_eq!(code.code.len(), 8);
    assert!(code.expires_at > bench.env.now());
    let again = link.pairing_code(&number).await.unwrap_err();
    assert!(matches!(again, LinkError::Conflict(_)), "{again:?}");
    bench.sim.enter_code(&code.code, Some("4915100000002")).await.unwrap();
    bench.sink.connected(id, 1).await;
    let linked = link.pairing_code(&number).await.unwrap_err();
    assert!(matches!(linked, LinkError::Conflict(_)), "{linked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_its_owner_unlinks_is_logged_out_and_links_anew_once_forgotten() {
    let bench = Bench::new().await;
    let alice = bench.linked("4915100000001").await;
    assert!(alice.account.unlink(alice.device));
    bench
        .sink
        .until("logged out", |heard| {
            heard.of(alice.id).find(|event| matches!(event, SessionEvent::Ended(EndReason::LoggedOut { .. }))).map(drop)
        })
        .await;
    bench.sink.forget();
    bench.engine.forget(alice.id).await.unwrap();
    alice.link.connect().await.unwrap();
    bench.sink.qr(alice.id).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_unlinks_the_device_at_the_server_and_says_no_more() {
    let bench = Bench::new().await;
    let alice = bench.linked("4915100000001").await;
    bench.sink.forget();
    alice.link.logout().await;
    until("the device is gone", || alice.account.devices().is_empty()).await;
    assert!(bench.sink.heard().no_events(), "{:?}", bench.sink.heard().events);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_of_a_disconnected_session_connects_to_say_so() {
    let bench = Bench::new().await;
    let alice = bench.linked("4915100000001").await;
    alice.link.disconnect().await;
    alice.link.logout().await;
    until("the device is gone", || alice.account.devices().is_empty()).await;
}
