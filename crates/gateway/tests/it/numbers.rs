//! Numbers are looked up before a message is accepted, seldom and together, and never rewritten.

use std::{num::NonZeroU32, sync::Arc};

use tokio::sync::Semaphore;
use waypost_domain::{Content, MessageStatus, SessionId, TenantId};
use waypost_engine::LinkError;
use waypost_gateway::{CheckNumbers, CheckedNumber, GatewayConfig, GatewayError, LookupLimits, messages::SendMessage};

use crate::world::World;

/// A Brazilian mobile with the ninth digit and without it.
const WITH_9: &str = "5511987654321";
const WITHOUT_9: &str = "551187654321";

fn jid(number: &str) -> String {
    format!("{number}@s.whatsapp.net")
}

fn checked_send(session_id: SessionId, to: &str) -> SendMessage {
    SendMessage {
        session_id,
        to: to.parse().unwrap(),
        content: Content::Text { text: "hello".to_owned() },
        client_reference: None,
        require_connected: false,
        send_at: None,
        expires_at: None,
        idempotency: None,
        check_number: true,
    }
}

async fn check(
    world: &World,
    tenant: TenantId,
    session: SessionId,
    numbers: &[&str],
) -> Result<Vec<CheckedNumber>, GatewayError> {
    let numbers = numbers.iter().map(|number| number.parse().unwrap()).collect();
    world.gateway.check_numbers(tenant, session, numbers).await
}

/// Sends with a look-up, and gives the address that the message went to.
async fn sent_to(world: &World, session: SessionId, to: &str) -> String {
    let accepted = world.gateway.accept_message(world.tenant, checked_send(session, to)).await.unwrap();
    let message = world.until(accepted.id, MessageStatus::Sent).await;
    let digits = to.split('@').next().unwrap();
    assert!(accepted.to == to && message.to.as_deref().unwrap().starts_with(digits), "`to` stays as it was given");
    let sent = world.network.until_sent(1).await;
    assert_eq!(sent.last().unwrap().to.to_string(), message.remote_jid);
    message.remote_jid
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_that_was_given_wins_where_both_exist() {
    let world = World::new().await;
    let session = world.connected_session().await;
    world.network.register(WITH_9, &jid(WITH_9), None);
    world.network.register(WITHOUT_9, &jid(WITHOUT_9), None);
    assert_eq!(sent_to(&world, session, WITH_9).await, jid(WITH_9));
    assert_eq!(sent_to(&world, session, WITHOUT_9).await, jid(WITHOUT_9));
    assert_eq!(world.network.looked_up(), [[WITH_9], [WITHOUT_9]], "no other form is asked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_form_is_used_only_where_the_given_one_is_absent() {
    let world = World::new().await;
    let session = world.connected_session().await;
    world.network.register(WITHOUT_9, &jid(WITHOUT_9), None);
    assert_eq!(sent_to(&world, session, WITH_9).await, jid(WITHOUT_9));
    assert_eq!(world.network.looked_up(), [[WITH_9], [WITHOUT_9]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_that_whatsapp_gives_is_used() {
    let world = World::new().await;
    let session = world.connected_session().await;
    world.network.register("525512345678", &jid("5215512345678"), None);
    assert_eq!(sent_to(&world, session, "525512345678").await, jid("5215512345678"));
    assert_eq!(sent_to(&world, session, &jid("525512345678")).await, jid("5215512345678"));
    assert_eq!(world.network.looked_up(), [["525512345678"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_without_an_account_is_refused_and_nothing_is_queued() {
    let world = World::new().await;
    let session = world.connected_session().await;
    let refused = world.gateway.accept_message(world.tenant, checked_send(session, WITH_9)).await;
    assert!(matches!(refused, Err(GatewayError::NotOnWhatsapp(_))), "{refused:?}");
    assert_eq!(world.messages().await, 0);
    assert_eq!(world.network.looked_up(), [[WITH_9], [WITHOUT_9]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_that_cannot_be_made_queues_nothing() {
    let world = World::new().await;
    let session = world.session().await;
    let refused = world.gateway.accept_message(world.tenant, checked_send(session, WITH_9)).await;
    assert!(matches!(refused, Err(GatewayError::WhatsappUnavailable(_))), "not connected: {refused:?}");

    let session = world.connected_session().await;
    world.network.book.lock().unwrap().refusal = Some(LinkError::RateLimited { retry_after_secs: 40 });
    let refused = world.gateway.accept_message(world.tenant, checked_send(session, WITH_9)).await;
    assert!(matches!(refused, Err(GatewayError::RateLimited(40))), "{refused:?}");
    world.network.book.lock().unwrap().refusal = None;
    let refused = world.gateway.accept_message(world.tenant, checked_send(session, "919876543210")).await;
    assert!(matches!(refused, Err(GatewayError::RateLimited(39..=40))), "WhatsApp is left in peace: {refused:?}");
    assert_eq!(world.network.looked_up().len(), 1);
    assert_eq!(world.messages().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_and_lids_are_not_looked_up() {
    let config = GatewayConfig { check_numbers: CheckNumbers::Always, ..GatewayConfig::default() };
    let world = World::with(config).await;
    let session = world.connected_session().await;
    for to in ["120363000000000000@g.us", "123456789012345@lid"] {
        assert_eq!(sent_to(&world, session, to).await, to);
    }
    assert!(world.network.looked_up().is_empty());
    let refused = world.try_send(session, WITH_9, "hello", false).await;
    assert!(matches!(refused, Err(GatewayError::NotOnWhatsapp(_))), "numbers are, unasked: {refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_remembered_for_its_tenant_alone_and_over_a_restart() {
    let mut world = World::new().await;
    let session = world.connected_session().await;
    world.network.register("919876543210", &jid("919876543210"), Some("123456789012345@lid"));
    let numbers = ["919876543210", "14155550100", "919876543210"];
    let first = check(&world, world.tenant, session, &numbers).await.unwrap();
    assert_eq!(first.iter().map(|it| it.check.found.account.is_some()).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(first[0].check.found.account.as_ref().unwrap().lid.as_ref().unwrap().to_string(), "123456789012345@lid");
    assert!(first.iter().all(|it| !it.cached));
    let again = check(&world, world.tenant, session, &numbers).await.unwrap();
    assert!(again.iter().all(|it| it.cached) && again[0].check.checked_at == first[0].check.checked_at);
    assert_eq!(world.network.looked_up(), [["14155550100", "919876543210"]]);

    let stranger = world.other_tenant().await;
    let refused = check(&world, stranger, session, &numbers).await;
    assert!(matches!(refused, Err(GatewayError::NotFound("session"))), "{refused:?}");

    world.stop().await;
    world.reopen().await;
    let after = check(&world, world.tenant, session, &numbers).await.unwrap();
    assert!(after.iter().all(|it| it.cached), "remembered answers need no connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_ask_at_the_same_time_ask_once() {
    let world = World::new().await;
    let session = world.connected_session().await;
    world.network.register("919876543210", &jid("919876543210"), None);
    let gate = Arc::new(Semaphore::new(0));
    *world.network.lookup_gate.lock().unwrap() = Some(gate.clone());
    let asking = (0..32).map(|_| check(&world, world.tenant, session, &["919876543210"]));
    let opening = async {
        world.network.lookups.subscribe().wait_for(|calls| !calls.is_empty()).await.unwrap();
        gate.add_permits(1000);
    };
    let (answers, ()) = tokio::join!(futures::future::join_all(asking), opening);
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap()[0].check.found.account.is_some()));
    assert_eq!(world.network.looked_up().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_asks_about_so_many_numbers_and_no_more() {
    let limits = LookupLimits { per_minute: NonZeroU32::new(1).unwrap(), burst: NonZeroU32::new(10).unwrap() };
    let world = World::with(GatewayConfig { lookup_limits: limits, ..GatewayConfig::default() }).await;
    let (session, other) = (world.connected_session().await, world.connected_session().await);
    let numbers: Vec<String> = (0..10).map(|n| format!("49151000000{n:02}")).collect();
    for number in &numbers {
        check(&world, world.tenant, session, &[number]).await.unwrap();
    }
    let refused = check(&world, world.tenant, session, &["4915100000099"]).await;
    assert!(matches!(refused, Err(GatewayError::RateLimited(1..=60))), "{refused:?}");
    check(&world, world.tenant, session, &[&numbers[0]]).await.expect("what is remembered is free");
    check(&world, world.tenant, other, &["4915100000099"]).await.expect("another session has its own limit");
    assert_eq!(world.network.looked_up().len(), 11);
}
