//! Readiness, and the room on the disk.

use waypost_gateway::{GatewayConfig, GatewayError};

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_has_what_it_needs_is_ready_and_one_without_a_database_is_not() {
    let world = World::new().await;
    world.store.close().await;
    let refused = world.gateway.ready().await;
    assert!(matches!(&refused, Err(GatewayError::NotReady(why)) if why.starts_with("The database")), "{refused:?}");
    World::new().await.gateway.ready().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_on_the_disk_no_message_is_accepted() {
    let world = World::with(GatewayConfig { min_free_disk: u64::MAX, ..GatewayConfig::default() }).await;
    let session = world.session().await;
    for refused in [world.gateway.ready().await, world.try_send(session, "919876543210", "Hi", false).await.map(drop)] {
        assert!(matches!(&refused, Err(GatewayError::NotReady(why)) if why.contains("disk")), "{refused:?}");
    }
}
