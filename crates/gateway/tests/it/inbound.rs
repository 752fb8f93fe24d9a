//! Inbound messages are acknowledged to the network only after the commit, and stored once.

use waypost_domain::{Content, Direction, Inbound, MessageStatus};
use waypost_engine::NotStored;
use waypost_gateway::lists::{MessageFilter, PageRequest};

use crate::world::World;

fn inbound(world: &World, wa_id: &str, from_me: bool) -> Inbound {
    Inbound {
        wa_id: wa_id.to_owned().into(),
        chat: "919876543210@s.whatsapp.net".parse().unwrap(),
        sender: "919876543210@s.whatsapp.net".parse().unwrap(),
        sender_alt: None,
        from_me,
        push_name: Some("Bob".to_owned()),
        sent_at: world.env.now(),
        content: Content::Text { text: "hello".to_owned() },
    }
}

async fn received(world: &World) -> Vec<waypost_domain::Message> {
    let filter = MessageFilter { direction: Some(Direction::Inbound), ..MessageFilter::default() };
    let page = PageRequest::Number { page: 1, limit: 100 };
    world.gateway.list_messages(world.tenant, filter, page).await.unwrap().items
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbound_message_is_stored_before_it_is_acknowledged_and_once_however_often_it_comes() {
    let world = World::new().await;
    let session = world.connected_session().await;
    let messages = vec![inbound(&world, "A1", false), inbound(&world, "A2", false), inbound(&world, "A1", false)];
    world.network.inbound(session, messages.clone()).await.unwrap();
    assert_eq!(received(&world).await.len(), 2, "stored when the call returns");
    world.network.inbound(session, messages).await.unwrap();
    let rows = received(&world).await;
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].status(), MessageStatus::Received);
    assert_eq!(rows[0].to.as_deref(), Some("14155550100"));
    assert_eq!(rows[0].push_name.as_deref(), Some("Bob"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbound_message_that_cannot_be_stored_is_not_acknowledged() {
    let world = World::new().await;
    let session = world.connected_session().await;
    world.store.close().await;
    assert_eq!(world.network.inbound(session, vec![inbound(&world, "A1", false)]).await, Err(NotStored));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_accounts_own_devices_wrote_is_not_kept() {
    let world = World::new().await;
    let session = world.connected_session().await;
    world.network.inbound(session, vec![inbound(&world, "A1", true)]).await.unwrap();
    assert!(received(&world).await.is_empty());
}
