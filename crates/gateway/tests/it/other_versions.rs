//! What another version of Waypost wrote and this one cannot read fails alone: the queue, the chat and the start go on.

use std::process::Command;

use waypost_domain::{FailureCode, MessageStatus, SessionStatus};

use crate::{
    network::Behaviour,
    world::{World, steps},
};

const ADA: &str = "919876543210";
const BOB: &str = "919876543211";
const STICKER: &str = r#"{"type":"sticker","sha256":[1,2]}"#;

/// Writes past the store, as another version would have.
async fn write(world: &World, sql: &str) {
    let file = world.store.file().await.unwrap().unwrap();
    let script = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=30).executescript(sys.argv[2])";
    assert!(Command::new("python3").args(["-c", script]).arg(file).arg(sql).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_another_version_fails_alone_and_its_queue_and_chat_go_on() {
    let world = World::new().await;
    let session = world.session().await;
    let first = world.send(session, ADA, "first").await;
    let mut unreadable = Vec::new();
    // More than one claim takes.
    for _ in 0..150 {
        unreadable.push(world.send(session, ADA, "unreadable").await);
    }
    let (last, other) = (world.send(session, ADA, "last").await, world.send(session, BOB, "other").await);
    write(&world, &format!("UPDATE messages SET content = '{STICKER}' WHERE content LIKE '%unreadable%'")).await;
    world.gateway.connect_session(world.tenant, session).await.unwrap();
    world.network.scan(session, "14155550100");
    for id in [first, last, other] {
        world.until(id, MessageStatus::Sent).await;
    }
    for id in unreadable {
        let failed = world.until(id, MessageStatus::Failed).await;
        assert_eq!(failed.failure().unwrap().code, FailureCode::Unsendable);
        assert_eq!(steps(&failed), [MessageStatus::Queued, MessageStatus::Sending, MessageStatus::Failed]);
    }
    let sent = world.network.sent.borrow().clone();
    let texts: Vec<_> = sent.iter().filter(|sent| sent.to.user() == ADA).map(|sent| sent.text.as_str()).collect();
    assert_eq!(texts, ["first", "last"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_on_rows_of_another_version_brings_back_what_it_can_read() {
    let mut world = World::new().await;
    world.network.behave(|_, earlier| if earlier == 0 { Behaviour::Silent } else { Behaviour::Ack });
    let session = world.connected_session().await;
    let unreadable = world.send(session, ADA, "unreadable").await;
    let readable = world.send(session, ADA, "readable").await;
    world.network.until_sent(2).await;
    let strange = world.connected_session().await;
    let elsewhere = world.connected_session().await;
    write(&world, &format!("UPDATE messages SET content = '{STICKER}' WHERE content LIKE '%unreadable%'")).await;
    write(&world, "INSERT INTO meta (name, value) VALUES ('setting.whatsapp_version', x'6e6f2076657273696f6e')").await;
    world.stop().await;
    world.reopen().await;
    write(&world, "UPDATE sessions SET status = 'asleep', last_error = '[1]' WHERE seq = 2").await;
    write(&world, "UPDATE sessions SET engine = 'telegram', status = 'asleep' WHERE seq = 3").await;
    world.start().await;
    for session in [session, strange] {
        world.network.connected(session);
        world.until_session(session, SessionStatus::Connected).await;
    }
    world.until(readable, MessageStatus::Sent).await;
    let failed = world.until(unreadable, MessageStatus::Failed).await;
    assert_eq!(failed.failure().unwrap().code, FailureCode::Unsendable);
    let elsewhere = world.gateway.get_session(world.tenant, elsewhere).await.unwrap().session;
    assert_eq!(elsewhere.status, SessionStatus::Unknown);
}
