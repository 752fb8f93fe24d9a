//! Logout and deletion: what waits fails, and is never sent later.

use waypost_domain::{EndReason, FailureCode, MessageStatus, SessionEvent, SessionStatus};
use waypost_gateway::GatewayError;

use crate::{network::Behaviour, world::World};

const ADA: &str = "919876543210";

#[tokio::test(flavor = "multi_thread")]
async fn deleting_a_session_fails_what_waits_and_keeps_its_messages_readable() {
    let world = World::new().await;
    world.network.behave(|_, _| Behaviour::Silent);
    let session = world.connected_session().await;
    let sending = world.send(session, ADA, "0").await;
    world.network.until_sent(1).await;
    world.gateway.delete_session(world.tenant, session).await.unwrap();
    let message = world.message(sending).await;
    assert_eq!(message.failure().unwrap().code, FailureCode::SessionGone);
    assert_eq!(*world.network.logged_out.lock().unwrap(), [session]);
    assert_eq!(*world.network.forgotten.lock().unwrap(), [session]);

    assert!(matches!(world.try_send(session, ADA, "1", false).await, Err(GatewayError::NotFound("session"))));
    assert!(matches!(world.gateway.get_session(world.tenant, session).await, Err(GatewayError::NotFound("session"))));
    assert!(matches!(
        world.gateway.delete_session(world.tenant, session).await,
        Err(GatewayError::NotFound("session"))
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_message_accepted_while_its_session_is_deleted_stays_queued() {
    let world = World::new().await;
    for _ in 0..10 {
        let session = world.session().await;
        let senders = futures::future::join_all((0..20).map(|_| world.try_send(session, ADA, "hi", false)));
        let (sent, deleted) = tokio::join!(senders, world.gateway.delete_session(world.tenant, session));
        deleted.unwrap();
        for id in sent.into_iter().flatten() {
            assert_eq!(world.message(id).await.failure().unwrap().code, FailureCode::SessionGone);
        }
        assert!(world.store.claim_queued_system(session, &[], 100, world.env.now()).await.unwrap().messages.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_unlinks_forgets_and_fails_what_waits() {
    let world = World::new().await;
    world.network.behave(|_, _| Behaviour::Silent);
    let session = world.connected_session().await;
    let id = world.send(session, ADA, "0").await;
    world.network.until_sent(1).await;
    let view = world.gateway.logout_session(world.tenant, session).await.unwrap();
    assert_eq!(view.session.status, SessionStatus::LoggedOut);
    assert!(!view.session.linked && view.session.phone_number.is_none());
    assert_eq!(world.message(id).await.failure().unwrap().code, FailureCode::SessionGone);
    assert_eq!(*world.network.logged_out.lock().unwrap(), [session]);

    // It can be linked again, and what was accepted meanwhile goes out then.
    let later = world.send(session, ADA, "1").await;
    assert_eq!(world.message(later).await.status(), MessageStatus::Queued);
    world.network.behave(|_, _| Behaviour::Ack);
    let view = world.gateway.connect_session(world.tenant, session).await.unwrap();
    assert!(view.qr.is_some());
    world.network.scan(session, "14155550101");
    world.until(later, MessageStatus::Sent).await;
    assert_eq!(world.network.sent.borrow().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_removed_on_the_phone_forgets_its_credentials_and_fails_what_waits() {
    let world = World::new().await;
    world.network.behave(|_, _| Behaviour::Silent);
    let session = world.connected_session().await;
    let id = world.send(session, ADA, "0").await;
    let answered = world.send(session, ADA, "1").await;
    let sent = world.network.until_sent(2).await;
    // What the network said before the end is true, however much of it waits to be written.
    for _ in 0..5000 {
        world.network.ack(session, &world.env.new_wa_message_id());
    }
    world.network.ack(session, &sent[1].wa_id);
    world
        .network
        .session_event(session, SessionEvent::Ended(EndReason::LoggedOut { reason: "device removed".to_owned() }));
    let row = world.until_session(session, SessionStatus::LoggedOut).await;
    assert_eq!(row.last_error.unwrap().code, "LOGGED_OUT");
    assert!(!row.linked);
    let message = world.until(id, MessageStatus::Failed).await;
    assert_eq!(message.failure().unwrap().code, FailureCode::SessionGone);
    assert_eq!(world.message(answered).await.status(), MessageStatus::Sent);
    assert_eq!(*world.network.forgotten.lock().unwrap(), [session]);
}
