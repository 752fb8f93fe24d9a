//! Sessions come back by themselves: spread out after a start, in growing steps where WhatsApp refuses them, and never
//! where a person has to say so (docs/guarantees.md 6).

use std::time::Duration;

use waypost_domain::{ClientVersion, EndReason, EngineKind, SessionEvent, SessionId, SessionStatus};
use waypost_gateway::{GatewayConfig, GatewayError};
use waypost_store::{NewSession, SessionChange};

use crate::world::World;

/// So many attempts to log in a second.
fn at_a_rate(per_second: u32) -> GatewayConfig {
    GatewayConfig { session_logins_per_second: per_second, ..GatewayConfig::default() }
}

/// Pauses that a test can wait for.
fn impatient() -> GatewayConfig {
    GatewayConfig { retry_pauses: vec![Duration::from_millis(50), Duration::from_millis(100)], ..at_a_rate(1000) }
}

fn restricted(world: &World, lasts: Option<Duration>) -> EndReason {
    EndReason::Restricted { reason: "402".to_owned(), until: lasts.map(|lasts| world.env.now().plus(lasts)) }
}

/// Rows of sessions that were connected when an earlier process ended.
async fn earlier_sessions(world: &World, count: usize) -> Vec<SessionId> {
    let mut ids = Vec::new();
    for _ in 0..count {
        let id = world.env.new_id();
        let new = NewSession {
            id,
            tenant_id: world.tenant,
            name: "sales".to_owned(),
            engine: EngineKind::Whatsapp,
            created_at: world.env.now(),
        };
        world.store.create_session(new).await.unwrap();
        let change = SessionChange {
            status: Some(SessionStatus::Connected),
            linked: Some(true),
            wanted: Some(true),
            ..SessionChange::new(world.env.now(), world.env.new_id())
        };
        world.store.change_session(world.tenant, id, change).await.unwrap();
        ids.push(id);
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_sessions_come_back_spread_out_and_all_of_them() {
    let mut world = World::with(at_a_rate(250)).await;
    world.stop().await;
    world.reopen().await;
    let ids = earlier_sessions(&world, 1000).await;
    world.start().await;
    for id in &ids {
        world.until_session(*id, SessionStatus::Connected).await;
    }
    let mut logins: Vec<_> = world.network.connects.lock().unwrap().iter().map(|(_, at)| *at).collect();
    logins.sort();
    assert_eq!(logins.len(), 1000, "each once");
    // A login that was let go may be late by what the machine takes; the pace itself is never exceeded for long.
    for window in logins.windows(250) {
        let took = window[249] - window[0];
        assert!(took >= Duration::from_millis(900), "250 logins within {took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_account_is_tried_again_by_itself_until_it_is_let_in() {
    let world = World::with(impatient()).await;
    let session = world.connected_session().await;
    *world.network.refuses_logins.lock().unwrap() = Some(restricted(&world, None));
    world.network.session_event(session, SessionEvent::Ended(restricted(&world, None)));
    let row = world.until_session(session, SessionStatus::Restricted).await;
    assert!(row.linked && row.wanted && row.last_error.unwrap().retry_at.is_some());
    while world.network.times_connected(session) < 4 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    *world.network.refuses_logins.lock().unwrap() = None;
    let row = world.until_session(session, SessionStatus::Connected).await;
    assert!(row.last_error.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_is_not_asked_about_before_its_end_not_even_by_a_restart() {
    let mut world = World::with(impatient()).await;
    let session = world.connected_session().await;
    let ban = restricted(&world, Some(Duration::from_hours(1)));
    world.network.session_event(session, SessionEvent::Ended(ban));
    let before = world.until_session(session, SessionStatus::Restricted).await;
    let error = before.last_error.clone().unwrap();
    assert_eq!(error.retry_at, error.until);
    world.stop().await;
    world.reopen().await;
    let other = earlier_sessions(&world, 1).await[0];
    world.start().await;
    world.until_session(other, SessionStatus::Connected).await;
    let after = world.gateway.get_session(world.tenant, session).await.unwrap().session;
    assert_eq!((after.status, after.last_error), (before.status, before.last_error));
    assert_eq!(world.network.times_connected(session), 1, "the login that linked it");
    let refused = world.gateway.connect_session(world.tenant, session).await.unwrap_err();
    assert!(
        matches!(refused, GatewayError::Conflict(sentence) if sentence.contains(&error.until.unwrap().to_string()))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_that_ends_is_over_without_anybody_asking() {
    let world = World::with(at_a_rate(1000)).await;
    let session = world.connected_session().await;
    world.network.session_event(session, SessionEvent::Ended(restricted(&world, Some(Duration::from_millis(300)))));
    world.until_session(session, SessionStatus::Restricted).await;
    let row = world.until_session(session, SessionStatus::Connected).await;
    assert!(row.last_error.is_none() && row.wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_is_tried_again_and_a_disconnect_ends_that() {
    let world = World::with(impatient()).await;
    let session = world.connected_session().await;
    let refused = EndReason::Refused { reason: "409".to_owned() };
    *world.network.refuses_logins.lock().unwrap() = Some(refused.clone());
    world.network.session_event(session, SessionEvent::Ended(refused));
    while world.network.times_connected(session) < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let view = world.gateway.disconnect_session(world.tenant, session).await.unwrap();
    assert!(view.session.last_error.is_none_or(|error| error.retry_at.is_none()));
    *world.network.refuses_logins.lock().unwrap() = None;
    let connects = world.network.times_connected(session);
    // Another session's retry comes and goes meanwhile.
    let other = world.connected_session().await;
    world.network.session_event(other, SessionEvent::Ended(EndReason::Refused { reason: "409".to_owned() }));
    world.until_error(other, "LOGIN_REFUSED").await;
    world.until_session(other, SessionStatus::Connected).await;
    assert_eq!(world.network.times_connected(session), connects);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_session_stays_replaced_across_restarts_until_somebody_connects_it() {
    let mut world = World::with(impatient()).await;
    let session = world.connected_session().await;
    world.network.session_event(session, SessionEvent::Ended(EndReason::Replaced));
    world.until_session(session, SessionStatus::Replaced).await;
    world.stop().await;
    world.reopen().await;
    let other = earlier_sessions(&world, 1).await[0];
    world.start().await;
    world.until_session(other, SessionStatus::Connected).await;
    assert_eq!(world.gateway.session_status(world.tenant, session).await.unwrap(), SessionStatus::Replaced);
    assert_eq!(world.network.times_connected(session), 1, "the login that linked it");
    world.gateway.connect_session(world.tenant, session).await.unwrap();
    world.until_session(session, SessionStatus::Connected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_client_version_brings_the_outdated_sessions_back_and_outlives_the_process() {
    let mut world = World::with(at_a_rate(1000)).await;
    let mut outdated = Vec::new();
    for _ in 0..3 {
        let session = world.connected_session().await;
        world.network.session_event(session, SessionEvent::Ended(EndReason::ClientOutdated));
        world.until_session(session, SessionStatus::ClientOutdated).await;
        outdated.push(session);
    }
    let unwanted = outdated.pop().unwrap();
    world.gateway.disconnect_session(world.tenant, unwanted).await.unwrap();
    let version = Some(ClientVersion(2, 3000, 1_023_456_789));
    assert_eq!(world.gateway.set_client_version(version).await.unwrap(), outdated.len());
    for session in outdated {
        let row = world.until_session(session, SessionStatus::Connected).await;
        assert!(row.linked && row.last_error.is_none(), "nobody scans anything");
    }
    assert_eq!(world.gateway.session_status(world.tenant, unwanted).await.unwrap(), SessionStatus::ClientOutdated);
    assert_eq!(*world.network.versions.lock().unwrap(), [version]);
    world.stop().await;
    world.reopen().await;
    world.start().await;
    assert_eq!(world.gateway.client_version().await.unwrap(), version);
    assert_eq!(*world.network.versions.lock().unwrap(), [version, version], "set before anybody connects");
    world.gateway.set_client_version(None).await.unwrap();
    assert_eq!(world.network.versions.lock().unwrap().last(), Some(&None));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_qr_code_is_told_of() {
    let world = World::new().await;
    let session = world.session().await;
    world.gateway.connect_session(world.tenant, session).await.unwrap();
    for number in 0..3 {
        let code = format!("2@code-{number}");
        let expires_at = world.env.now().plus(Duration::from_mins(1));
        world.network.session_event(session, SessionEvent::Qr { code: code.clone(), expires_at });
        while world.gateway.session_qr(world.tenant, session).await.unwrap().code != code {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let events = world.store.events_after(world.tenant, 0, 100).await.unwrap();
    let told = events.iter().filter(|event| event.kind == waypost_domain::EventType::SessionQr).count();
    assert_eq!(told, 4, "the first and three more");
}
