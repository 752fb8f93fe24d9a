//! The gateway ends, or is killed, while people talk.

use std::collections::HashMap;

use anyhow::Result;
use rstest::rstest;
use serde_json::json;
use waypost_tests::{Database, Setup};

use super::{FRIEND, GATEWAY, Scene, gateway_jid};

/// How the gateway ends.
#[derive(Debug, Clone, Copy)]
enum End {
    /// As an operator ends it.
    Asked,
    /// `kill -9`.
    Killed,
}

async fn come_back(scene: &mut Scene, end: End) -> Result<()> {
    match end {
        End::Asked => scene.server.restart().await?,
        End::Killed => scene.server.crash_and_restart().await?,
    }
    let session = scene.ada.wait_session(&scene.session, "connected").await;
    assert_eq!(session["phoneNumber"], GATEWAY, "it came back as somebody else");
    Ok(())
}

#[rstest]
#[tokio::test]
async fn a_linked_session_comes_back_without_a_new_code_and_talks_on(
    #[values(End::Asked, End::Killed)] end: End,
    #[values(Database::Sqlite, Database::Postgres)] database: Database,
) -> Result<()> {
    let mut scene = Scene::on(database).await?;
    let before = scene.send("before").await;
    let seen = scene.friend.wait_text("before").await;
    scene.ada.wait_message(&before, "delivered").await;
    scene.friend.send(&gateway_jid(), "before, back").await;
    scene.ada.wait_inbound(&scene.session, "before, back").await;

    come_back(&mut scene, end).await?;
    let after = scene.send("after").await;
    scene.friend.wait_text("after").await;
    scene.ada.wait_message(&after, "delivered").await;
    scene.friend.send(&gateway_jid(), "after, back").await;
    scene.ada.wait_inbound(&scene.session, "after, back").await;

    // A receipt for what was sent before the end still counts.
    scene.friend.read(&[&seen.id]).await;
    scene.ada.wait_message(&before, "read").await;
    Ok(())
}

#[rstest]
#[tokio::test]
async fn what_was_accepted_goes_out_once_and_in_order_though_the_gateway_is_killed(
    #[values(Database::Sqlite, Database::Postgres)] database: Database,
) -> Result<()> {
    let mut scene = Scene::on(database).await?;
    let wanted: Vec<String> = (0..40).map(|n| format!("message {n}")).collect();
    let mut ids = Vec::new();
    for text in &wanted {
        ids.push(scene.send(text).await);
    }
    come_back(&mut scene, End::Killed).await?;
    for text in &wanted {
        scene.friend.wait_text(text).await;
    }
    for id in &ids {
        scene.ada.wait_message(id, "delivered").await;
    }
    // What was in doubt was sent again under the same id: so the phone knows the repeat.
    let mut wire_ids: HashMap<String, String> = HashMap::new();
    let mut firsts = Vec::new();
    for seen in scene.friend.texts() {
        let text = seen.text.unwrap_or_default();
        if !wanted.contains(&text) {
            continue;
        }
        let id = wire_ids.entry(text.clone()).or_insert_with(|| {
            firsts.push(text.clone());
            seen.id.clone()
        });
        assert_eq!(*id, seen.id, "{text} went out under two ids");
    }
    assert_eq!(firsts, wanted);
    Ok(())
}

#[tokio::test]
async fn a_message_in_doubt_when_the_gateway_is_killed_is_sent_again_under_the_same_id() -> Result<()> {
    let mut scene = Scene::with(Setup::on(Database::Sqlite).with("WAYPOST_ACK_TIMEOUT", "1h")).await?;
    scene.simulator.add_fault(&json!({"kind": "withholdAck", "from": GATEWAY, "times": 1})).await;
    scene.simulator.add_fault(&json!({"kind": "dropReceipt", "from": FRIEND, "times": 1})).await;
    let id = scene.send("in doubt").await;
    let first = scene.friend.wait_text("in doubt").await;
    assert_eq!(scene.ada.message(&id).await["status"], "sending");
    scene.simulator.clear_faults().await;
    come_back(&mut scene, End::Killed).await?;
    scene.ada.wait_message(&id, "delivered").await;
    for seen in scene.friend.texts().into_iter().filter(|seen| seen.text == first.text) {
        assert_eq!(seen.id, first.id, "it went out again under another id");
    }
    Ok(())
}

#[rstest]
#[tokio::test]
async fn what_people_write_while_the_gateway_is_away_is_kept_once_and_in_order(
    #[values(Database::Sqlite, Database::Postgres)] database: Database,
) -> Result<()> {
    let mut scene = Scene::on(database).await?;
    scene.ada.disconnect(&scene.session).await;
    scene.ada.wait_session(&scene.session, "disconnected").await;
    for n in 0..5 {
        scene.friend.send(&gateway_jid(), &format!("while you were out {n}")).await;
    }
    let queued = scene.send("when I am back").await;
    assert_eq!(scene.ada.message(&queued).await["status"], "queued");

    scene.ada.connect(&scene.session).await;
    scene.ada.wait_inbound(&scene.session, "while you were out 4").await;
    scene.ada.wait_message(&queued, "delivered").await;
    let path = format!("/api/messages?sessionId={}&direction=inbound", scene.session);
    let list = scene.ada.person.get(&path).await.data();
    let texts: Vec<_> = list.as_array().expect("a list").iter().filter_map(|it| it["text"].as_str()).collect();
    let wanted: Vec<String> = (0..5).rev().map(|n| format!("while you were out {n}")).collect();
    assert_eq!(texts, wanted);
    Ok(())
}
