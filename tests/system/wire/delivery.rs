//! The whole road of a message, and what each of its statuses is worth.

use anyhow::Result;
use rstest::rstest;
use serde_json::json;
use waypost_tests::{Database, Setup, Tenant};

use super::{FRIEND, GATEWAY, Scene, friend_jid, gateway_jid};

#[rstest]
#[tokio::test]
async fn a_text_is_read_by_a_real_client_and_its_answer_is_kept(
    #[values(Database::Sqlite, Database::Postgres)] database: Database,
) -> Result<()> {
    let mut scene = Scene::on(database).await?;
    let id = scene.send("Hello from Waypost!").await;
    let seen = scene.friend.wait_text("Hello from Waypost!").await;

    let delivered = scene.ada.wait_message(&id, "delivered").await;
    assert_eq!(Tenant::timeline(&delivered), ["queued", "sending", "sent", "delivered"]);
    assert_eq!(delivered["to"], FRIEND);
    assert_eq!(delivered["remoteJid"], friend_jid());

    scene.friend.read(&[&seen.id]).await;
    let read = scene.ada.wait_message(&id, "read").await;
    assert_eq!(Tenant::timeline(&read), ["queued", "sending", "sent", "delivered", "read"]);

    scene.friend.send(&gateway_jid(), "Hello yourself!").await;
    let inbound = scene.ada.wait_inbound(&scene.session, "Hello yourself!").await;
    assert_eq!(inbound["direction"], "inbound");
    assert_eq!(inbound["status"], "received");
    assert_eq!(inbound["sessionId"], scene.session.as_str());
    Ok(())
}

#[tokio::test]
async fn sent_is_said_only_after_the_servers_acknowledgement_and_a_resend_keeps_the_id() -> Result<()> {
    let setup = Setup::on(Database::Sqlite).with("WAYPOST_ACK_TIMEOUT", "4s").with("WAYPOST_SEND_ATTEMPTS", "20");
    let mut scene = Scene::with(setup).await?;
    // The server swallows its acknowledgements, and the friend's receipts, which would prove the same.
    scene.simulator.add_fault(&json!({"kind": "withholdAck", "from": GATEWAY})).await;
    scene.simulator.add_fault(&json!({"kind": "dropReceipt", "from": FRIEND})).await;
    let id = scene.send("is anybody there?").await;
    let first = scene.friend.wait_text("is anybody there?").await;

    // It is written to the socket, relayed and decrypted, and still nobody told us so.
    let message = scene.ada.message(&id).await;
    assert_eq!(message["status"], "sending", "{message}");
    assert_eq!(Tenant::timeline(&message), ["queued", "sending"]);

    scene.simulator.clear_faults().await;
    let sent = scene.ada.wait_message(&id, "delivered").await;
    let timeline = Tenant::timeline(&sent);
    assert_eq!(timeline.iter().filter(|status| *status == "sent").count(), 1, "{timeline:?}");
    for seen in scene.friend.texts().into_iter().filter(|seen| seen.text == first.text) {
        assert_eq!(seen.id, first.id, "it went out again under another id");
    }
    Ok(())
}

#[tokio::test]
async fn a_message_that_is_never_acknowledged_fails_and_says_so() -> Result<()> {
    let setup = Setup::on(Database::Sqlite).with("WAYPOST_ACK_TIMEOUT", "500ms");
    let scene = Scene::with(setup).await?;
    scene.simulator.add_fault(&json!({"kind": "withholdAck", "from": GATEWAY})).await;
    scene.simulator.add_fault(&json!({"kind": "dropReceipt", "from": FRIEND})).await;
    let id = scene.send("nobody will ever say").await;
    let failed = scene.ada.wait_message(&id, "failed").await;
    assert_eq!(failed["error"]["code"], "NO_ACK");
    Ok(())
}

#[rstest]
#[case(463, "REACH_OUT_LIMITED")]
#[case(475, "NEW_CHAT_LIMITED")]
#[case(479, "REJECTED_AS_MALFORMED")]
#[case(404, "RECIPIENT_UNKNOWN")]
#[case(500, "REJECTED_BY_WHATSAPP")]
#[tokio::test]
async fn a_refusal_fails_the_message_with_its_code_and_is_never_sent(
    #[case] error: u16,
    #[case] code: &str,
) -> Result<()> {
    let mut scene = Scene::on(Database::Sqlite).await?;
    scene.simulator.add_fault(&json!({"kind": "nack", "code": error, "from": GATEWAY, "times": 1})).await;
    let refused = scene.send("refused").await;
    let failed = scene.ada.wait_message(&refused, "failed").await;
    assert_eq!(failed["error"]["code"], code);
    assert_eq!(Tenant::timeline(&failed), ["queued", "sending", "failed"]);

    // The next one passes, and the refused one does not come along with it.
    let id = scene.send("accepted").await;
    scene.friend.wait_text("accepted").await;
    scene.ada.wait_message(&id, "delivered").await;
    assert_eq!(scene.texts_at_the_friend(), ["accepted"]);
    Ok(())
}

#[tokio::test]
async fn a_receipt_counts_for_the_message_it_names_and_for_no_other() -> Result<()> {
    let mut scene = Scene::on(Database::Sqlite).await?;
    let first = scene.send("first").await;
    let second = scene.send("second").await;
    let seen = scene.friend.wait_text("second").await;
    scene.ada.wait_message(&first, "delivered").await;
    scene.friend.read(&[&seen.id]).await;
    scene.ada.wait_message(&second, "read").await;
    assert_eq!(scene.ada.message(&first).await["status"], "delivered");
    Ok(())
}

#[tokio::test]
async fn a_lost_delivery_receipt_does_not_hide_that_the_message_was_read() -> Result<()> {
    let mut scene = Scene::on(Database::Sqlite).await?;
    scene.simulator.add_fault(&json!({"kind": "dropReceipt", "type": "delivery", "from": FRIEND})).await;
    let id = scene.send("read me").await;
    let seen = scene.friend.wait_text("read me").await;
    scene.friend.read(&[&seen.id]).await;
    let read = scene.ada.wait_message(&id, "read").await;
    assert_eq!(Tenant::timeline(&read), ["queued", "sending", "sent", "read"]);
    Ok(())
}

#[tokio::test]
async fn a_device_in_the_background_counts_as_one_that_has_the_message() -> Result<()> {
    let mut scene = Scene::on(Database::Sqlite).await?;
    scene.friend.command(json!({"cmd": "presence", "type": "unavailable"})).await;
    let id = scene.send("no hurry").await;
    scene.friend.wait_text("no hurry").await;
    scene.ada.wait_message(&id, "delivered").await;
    Ok(())
}

#[rstest]
#[tokio::test]
async fn receipts_from_any_address_in_any_order_and_number_end_in_the_highest_status(
    #[values("pn", "lid", "companion")] form: &str,
) -> Result<()> {
    let mut scene = Scene::on(Database::Sqlite).await?;
    scene.simulator.add_fault(&json!({"kind": "receiptForm", "as": form, "from": FRIEND})).await;
    scene.simulator.add_fault(&json!({"kind": "repeatReceipt", "count": 2, "from": FRIEND})).await;
    scene.simulator.add_fault(&json!({"kind": "earlyReceipt", "from": GATEWAY})).await;
    scene.simulator.add_fault(&json!({"kind": "shuffleReceipts", "hold": 6, "seed": 7, "from": FRIEND})).await;
    let mut ids = Vec::new();
    for text in ["one", "two", "three"] {
        ids.push(scene.send(text).await);
        let seen = scene.friend.wait_text(text).await;
        scene.friend.read(&[&seen.id]).await;
    }
    // What the simulator still holds back goes out now.
    scene.simulator.clear_faults().await;
    for id in &ids {
        let read = scene.ada.wait_message(id, "read").await;
        let timeline = Tenant::timeline(&read);
        assert!(timeline.is_sorted_by_key(|status| rank(status)), "{timeline:?}");
    }
    Ok(())
}

/// How far a status is on the way of a message.
fn rank(status: &str) -> usize {
    let way = ["queued", "sending", "sent", "delivered", "read"];
    way.iter().position(|step| *step == status).unwrap_or(way.len())
}
