//! Sessions: their states are true and never a dead end (docs/guarantees.md 6), and tenants are walls (promise 9).

use std::time::Duration;

use waypost_domain::{ConnectionId, EndReason, EngineKind, SessionEvent, SessionStatus};
use waypost_gateway::{GatewayConfig, GatewayError};

use crate::world::World;

const ADA: &str = "919876543210";

#[tokio::test(flavor = "multi_thread")]
async fn a_new_session_gets_a_qr_code_is_scanned_and_connected() {
    let world = World::new().await;
    let session = world.session().await;
    let view = world.gateway.connect_session(world.tenant, session).await.unwrap();
    assert_eq!(view.session.status, SessionStatus::Qr);
    assert_eq!(view.qr.as_ref().unwrap().code, "2@scan-me");
    assert_eq!(world.gateway.session_qr(world.tenant, session).await.unwrap(), view.qr.unwrap());

    world.network.scan(session, "14155550100");
    let row = world.until_session(session, SessionStatus::Connected).await;
    assert_eq!(row.phone_number.unwrap().as_str(), "14155550100");
    assert!(row.linked && row.wanted && row.connected_at.is_some());
    assert_eq!(row.push_name.as_deref(), Some("Ada"));
    let error = world.gateway.session_qr(world.tenant, session).await.unwrap_err();
    assert!(matches!(error, GatewayError::Conflict(sentence) if sentence.contains("connected")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_qr_code_that_nobody_scans_ends_and_connect_gives_a_new_one() {
    let world = World::new().await;
    let session = world.session().await;
    world.gateway.connect_session(world.tenant, session).await.unwrap();
    world.network.session_event(session, SessionEvent::QrExhausted);
    let row = world.until_session(session, SessionStatus::Disconnected).await;
    assert_eq!(row.last_error.unwrap().code, "QR_EXPIRED");
    assert!(matches!(world.gateway.session_qr(world.tenant, session).await, Err(GatewayError::Conflict(_))));
    let view = world.gateway.connect_session(world.tenant, session).await.unwrap();
    assert!(view.qr.is_some() && view.session.last_error.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn connecting_a_connected_session_changes_nothing() {
    let world = World::new().await;
    let session = world.connected_session().await;
    let before = world.gateway.get_session(world.tenant, session).await.unwrap();
    assert_eq!(world.gateway.connect_session(world.tenant, session).await.unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disconnected_session_keeps_its_link_and_connects_without_a_qr_code() {
    let world = World::new().await;
    let session = world.connected_session().await;
    let view = world.gateway.disconnect_session(world.tenant, session).await.unwrap();
    assert_eq!(view.session.status, SessionStatus::Disconnected);
    assert!(view.session.linked && !view.session.wanted);
    world.gateway.connect_session(world.tenant, session).await.unwrap();
    world.until_session(session, SessionStatus::Connected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_a_connection_that_was_closed_count_no_more() {
    let world = World::new().await;
    let session = world.connected_session().await;
    let closed = world.network.sink(session);
    world.gateway.disconnect_session(world.tenant, session).await.unwrap();
    *world.network.answers_logins.lock().unwrap() = false;
    world.gateway.connect_session(world.tenant, session).await.unwrap();
    closed.session_event(session, SessionEvent::Connected { connection: ConnectionId::default(), push_name: None });
    // An attempt that is lost is still an attempt; a connection that is lost would be told as disconnected.
    world.network.lose(session);
    let row = world.until_error(session, "CONNECTION_LOST").await;
    assert_eq!(row.status, SessionStatus::Connecting);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_told_and_mended() {
    let world = World::new().await;
    let session = world.connected_session().await;
    world.network.lose(session);
    let row = world.until_session(session, SessionStatus::Disconnected).await;
    assert_eq!(row.last_error.unwrap().code, "CONNECTION_LOST");
    world.network.session_event(session, SessionEvent::Connecting);
    world.until_session(session, SessionStatus::Connecting).await;
    world.network.connected(session);
    let row = world.until_session(session, SessionStatus::Connected).await;
    assert!(row.last_error.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_end_of_a_connection_says_what_to_do_and_has_a_way_out() {
    let world = World::new().await;
    for (reason, status, code) in [
        (EndReason::Replaced, SessionStatus::Replaced, "REPLACED"),
        (EndReason::ClientOutdated, SessionStatus::ClientOutdated, "CLIENT_OUTDATED"),
        (EndReason::Refused { reason: "500".to_owned() }, SessionStatus::Disconnected, "LOGIN_REFUSED"),
        (EndReason::Restricted { reason: "402".to_owned(), until: None }, SessionStatus::Restricted, "RESTRICTED"),
    ] {
        let session = world.connected_session().await;
        world.network.session_event(session, SessionEvent::Ended(reason));
        let row = world.until_session(session, status).await;
        let error = row.last_error.unwrap();
        assert_eq!(error.code, code);
        assert!(error.message.contains("onnect"), "{}", error.message);
        assert!(row.linked, "credentials go only where the device was removed");
        world.gateway.connect_session(world.tenant, session).await.unwrap();
        world.until_session(session, SessionStatus::Connected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restricted_account_is_not_connected_before_its_time() {
    let world = World::new().await;
    let session = world.connected_session().await;
    let until = world.env.now().plus(Duration::from_hours(1));
    let reason = EndReason::Restricted { reason: "402".to_owned(), until: Some(until) };
    world.network.session_event(session, SessionEvent::Ended(reason));
    world.until_session(session, SessionStatus::Restricted).await;
    let error = world.gateway.connect_session(world.tenant, session).await.unwrap_err();
    assert!(matches!(error, GatewayError::Conflict(sentence) if sentence.contains(&until.to_string())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pairing_code_is_given_for_a_session_that_is_not_linked() {
    let world = World::new().await;
    let session = world.session().await;
    let number = "14155550100".parse::<waypost_domain::PhoneNumber>().unwrap();
    let code = world.gateway.session_pairing_code(world.tenant, session, number.clone()).await.unwrap();
    assert_eq!(code.code, "ABCD2345");
    world.network.scan(session, "14155550100");
    world.until_session(session, SessionStatus::Connected).await;
    let again = world.gateway.session_pairing_code(world.tenant, session, number).await;
    assert!(matches!(again, Err(GatewayError::Conflict(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn require_connected_refuses_what_would_have_to_wait() {
    let world = World::new().await;
    let session = world.session().await;
    let refused = world.try_send(session, ADA, "hi", true).await.unwrap_err();
    assert!(matches!(refused, GatewayError::WhatsappUnavailable(sentence) if sentence.contains("disconnected")));
    assert!(world.store.claim_queued_system(session, &[], 10, world.env.now()).await.unwrap().messages.is_empty());
    let session = world.connected_session().await;
    world.try_send(session, ADA, "hi", true).await.unwrap();
    world.network.lose(session);
    world.until_session(session, SessionStatus::Disconnected).await;
    assert!(world.try_send(session, ADA, "hi", true).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_session_does_not_exist_whether_memory_knows_it_or_not() {
    let mut world = World::new().await;
    let session = world.connected_session().await;
    for known in [true, false] {
        if !known {
            world.stop().await;
            world.reopen().await;
        }
        let other = world.other_tenant().await;
        let gateway = &world.gateway;
        let missing: waypost_domain::SessionId = world.env.new_id();
        let mut answers = Vec::new();
        for id in [session, missing] {
            let number = "14155550100".parse().unwrap();
            answers.push(format!(
                "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
                gateway.get_session(other, id).await,
                gateway.connect_session(other, id).await,
                gateway.session_qr(other, id).await,
                gateway.session_pairing_code(other, id, number).await,
                gateway.session_status(other, id).await,
                gateway.disconnect_session(other, id).await,
                gateway.logout_session(other, id).await,
                gateway.delete_session(other, id).await,
            ));
        }
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[0].matches("NotFound(\"session\")").count(), 8);
        world.gateway.get_session(world.tenant, session).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_of_sessions_holds_for_each_tenant_even_when_they_come_at_once() {
    let world = World::with(GatewayConfig { max_sessions_per_tenant: Some(2), ..GatewayConfig::default() }).await;
    let create = |tenant| world.gateway.create_session(tenant, "s".to_owned(), EngineKind::Whatsapp);
    let made = futures::future::join_all((0..5).map(|_| create(world.tenant))).await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 2);
    for error in made.into_iter().filter_map(Result::err) {
        assert!(matches!(error, GatewayError::LimitExceeded(sentence) if sentence.contains("2 of 2")));
    }
    create(world.other_tenant().await).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_on_one_session_come_one_after_another() {
    let world = World::new().await;
    let session = world.connected_session().await;
    let steps = (0..20).map(async |number| {
        if number % 2 == 0 {
            world.gateway.disconnect_session(world.tenant, session).await.map(|_| ())
        } else {
            world.gateway.connect_session(world.tenant, session).await.map(|_| ())
        }
    });
    for result in futures::future::join_all(steps).await {
        result.unwrap();
    }
    world.gateway.connect_session(world.tenant, session).await.unwrap();
    world.until_session(session, SessionStatus::Connected).await;
    let id = world.send(session, ADA, "hi").await;
    world.until(id, waypost_domain::MessageStatus::Sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_leaves_no_step_half_done() {
    let world = World::new().await;
    for patience in 0..20 {
        let session = world.session().await;
        let connecting = world.gateway.connect_session(world.tenant, session);
        let _ = tokio::time::timeout(Duration::from_micros(100 * patience), connecting).await;
        world.until_session(session, SessionStatus::Qr).await;
    }
}
