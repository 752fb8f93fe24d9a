//! A person is one chat, whether they are named by number or by LID.

use waypost_domain::{Content, Direction, Inbound, Message, MessageStatus, SessionId};
use waypost_gateway::lists::{MessageFilter, PageRequest};

use crate::world::World;

const LID: &str = "123456789012345@lid";
const NUMBER: &str = "919876543210@s.whatsapp.net";
const GROUP: &str = "120363000000000000@g.us";

/// A message comes in; gives its row.
async fn receive(world: &World, session: SessionId, chat: &str, sender: &str, alt: Option<&str>) -> Message {
    let inbound = Inbound {
        wa_id: world.env.new_wa_message_id(),
        chat: chat.parse().unwrap(),
        sender: sender.parse().unwrap(),
        sender_alt: alt.map(|jid| jid.parse().unwrap()),
        from_me: false,
        push_name: None,
        sent_at: world.env.now(),
        content: Content::Text { text: "hello".to_owned() },
    };
    world.network.inbound(session, vec![inbound]).await.unwrap();
    let filter = MessageFilter { direction: Some(Direction::Inbound), ..MessageFilter::default() };
    let page = PageRequest::Number { page: 1, limit: 1 };
    world.gateway.list_messages(world.tenant, filter, page).await.unwrap().items.remove(0)
}

async fn sent(world: &World, session: SessionId, to: &str) -> String {
    let id = world.send(session, to, "hi").await;
    world.until(id, MessageStatus::Sent).await.remote_jid
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_known_only_by_lid_gets_the_answer_under_it() {
    let world = World::new().await;
    let session = world.connected_session().await;
    let message = receive(&world, session, LID, LID, None).await;
    assert_eq!((message.remote_jid.as_str(), message.from_alt), (LID, None));
    assert_eq!(sent(&world, session, &message.from.unwrap().to_string()).await, LID);
    assert_eq!(world.network.until_sent(1).await[0].to.to_string(), LID);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_seen_by_number_and_then_by_lid_is_the_numbers_chat_also_after_a_restart() {
    let mut world = World::new().await;
    let session = world.connected_session().await;
    assert_eq!(sent(&world, session, "919876543210").await, NUMBER);
    assert_eq!(receive(&world, session, LID, LID, Some(NUMBER)).await.remote_jid, NUMBER);
    for _ in 0..2 {
        let by_lid_alone = receive(&world, session, LID, LID, None).await;
        assert_eq!(by_lid_alone.remote_jid, NUMBER);
        assert_eq!(by_lid_alone.from.unwrap().to_string(), NUMBER);
        assert_eq!(by_lid_alone.from_alt.unwrap().to_string(), LID);
        assert_eq!(sent(&world, session, LID).await, NUMBER);
        let in_a_group = receive(&world, session, GROUP, LID, None).await;
        assert_eq!(
            (in_a_group.remote_jid, in_a_group.from.unwrap().to_string()),
            (GROUP.to_owned(), NUMBER.to_owned())
        );
        restart(&mut world, session).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_seen_by_lid_and_then_by_number_is_the_lids_chat_also_after_a_restart() {
    let mut world = World::new().await;
    let session = world.connected_session().await;
    receive(&world, session, LID, LID, None).await;
    receive(&world, session, LID, LID, Some(NUMBER)).await;
    for _ in 0..2 {
        let by_number_alone = receive(&world, session, NUMBER, NUMBER, None).await;
        assert_eq!(by_number_alone.remote_jid, LID);
        assert_eq!(by_number_alone.from_alt.unwrap().to_string(), NUMBER);
        assert_eq!(sent(&world, session, "919876543210").await, LID);
        restart(&mut world, session).await;
    }
    let page = PageRequest::Number { page: 1, limit: 100 };
    for session_id in [Some(session), None] {
        for address in [NUMBER, LID] {
            let filter = MessageFilter { session_id, with: vec![address.parse().unwrap()], ..MessageFilter::default() };
            let listed = world.gateway.list_messages(world.tenant, filter, page).await.unwrap().items;
            assert_eq!(listed.len(), 6, "the chat is found under either address");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_teaches_whose_lid_it_is() {
    let world = World::new().await;
    let session = world.connected_session().await;
    world.network.register("919876543210", NUMBER, Some(LID));
    world.gateway.check_numbers(world.tenant, session, vec!["919876543210".parse().unwrap()]).await.unwrap();
    assert_eq!(receive(&world, session, LID, LID, None).await.remote_jid, NUMBER);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_comes_again_after_its_senders_number_was_learned_is_stored_once() {
    let world = World::new().await;
    let session = world.connected_session().await;
    let message = receive(&world, session, LID, LID, None).await;
    let again = Inbound {
        wa_id: message.wa_id,
        chat: LID.parse().unwrap(),
        sender: LID.parse().unwrap(),
        sender_alt: Some(NUMBER.parse().unwrap()),
        from_me: false,
        push_name: None,
        sent_at: world.env.now(),
        content: message.content,
    };
    world.network.inbound(session, vec![again]).await.unwrap();
    assert_eq!(world.messages().await, 1);
}

async fn restart(world: &mut World, session: SessionId) {
    world.stop().await;
    world.reopen().await;
    world.start().await;
    world.until_session(session, waypost_domain::SessionStatus::Connected).await;
}
