//! A stop in order loses nothing.

use std::sync::Arc;

use tokio::sync::Semaphore;
use waypost_domain::MessageStatus;

use crate::{network::Behaviour, world::World};

const ADA: &str = "919876543210";

#[tokio::test(flavor = "multi_thread")]
async fn a_send_call_under_way_is_finished_and_what_did_not_leave_is_queued_again() {
    let mut world = World::new().await;
    let gate = Arc::new(Semaphore::new(0));
    world.network.behave({
        let gate = gate.clone();
        move |_, _| Behaviour::Gate(gate.clone())
    });
    let session = world.connected_session().await;
    let first = world.send(session, ADA, "0").await;
    let second = world.send(session, ADA, "1").await;
    world.network.until_sent(1).await;
    world.until(second, MessageStatus::Sending).await;

    let gateway = world.gateway.clone();
    let tenant = world.tenant;
    let release = async {
        // A gateway that stops says so; the stop waits for the send call meanwhile.
        while gateway.connect_session(tenant, session).await.is_ok() {
            tokio::task::yield_now().await;
        }
        gate.add_permits(1);
    };
    tokio::join!(world.stop(), release);
    world.reopen().await;
    assert_eq!(world.message(first).await.status(), MessageStatus::Sent);
    assert_eq!(world.message(second).await.status(), MessageStatus::Queued);
    assert_eq!(world.network.sent.borrow().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_network_said_before_the_stop_is_on_disk_after_it() {
    let mut world = World::new().await;
    let session = world.connected_session().await;
    let mut ids = Vec::new();
    for number in 0..200 {
        ids.push(world.send(session, ADA, &number.to_string()).await);
    }
    world.network.until_sent(200).await;
    world.stop().await;
    world.reopen().await;
    for id in ids {
        assert_eq!(world.message(id).await.status(), MessageStatus::Sent);
    }
}
