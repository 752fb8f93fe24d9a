//! The whole way of a message in the sandbox, on both databases: what docs/sandbox.md says, number by number.

use anyhow::Result;
use rstest::rstest;
use serde_json::json;
use waypost_tests::{Database, Tenant, Waypost};

use crate::messages::sandbox_setup;

const FRIEND: &str = "919876543210";

#[rstest]
#[tokio::test]
async fn a_text_is_read_and_answered(#[values(Database::Sqlite, Database::Postgres)] database: Database) -> Result<()> {
    let server = Waypost::start(sandbox_setup(database)).await?;
    let ada = server.register("ada").await?;
    let session = ada.sandbox().await;

    let id = ada.send_text(&session, FRIEND, "reply: good morning").await;
    let read = ada.wait_message(&id, "read").await;
    assert_eq!(Tenant::timeline(&read), ["queued", "sending", "sent", "delivered", "read"]);
    assert_eq!(read["direction"], "outbound");
    assert_eq!(read["to"], FRIEND);
    assert_eq!(read["remoteJid"], format!("{FRIEND}@s.whatsapp.net"));

    let answer = ada.wait_inbound(&session, "good morning").await;
    assert_eq!(answer["direction"], "inbound");
    assert_eq!(answer["status"], "received");
    Ok(())
}

#[rstest]
#[case::malformed("15550100400", "REJECTED_AS_MALFORMED")]
#[case::unknown("15550100404", "RECIPIENT_UNKNOWN")]
#[case::reach_out("15550100463", "REACH_OUT_LIMITED")]
#[case::new_chat("15550100475", "NEW_CHAT_LIMITED")]
#[case::bad_field("15550100479", "REJECTED_AS_MALFORMED")]
#[case::nameless("15550100503", "REJECTED_BY_WHATSAPP")]
#[case::never_acknowledged("15550101001", "NO_ACK")]
#[case::not_on_whatsapp("15550101005", "NOT_ON_WHATSAPP")]
#[tokio::test]
async fn a_magic_number_that_refuses_fails_the_message_with_its_code(
    #[case] to: &str,
    #[case] code: &str,
    #[values(Database::Sqlite, Database::Postgres)] database: Database,
) -> Result<()> {
    let server = Waypost::start(sandbox_setup(database)).await?;
    let ada = server.register("ada").await?;
    let session = ada.sandbox().await;
    let id = ada.send_text(&session, to, "hello").await;
    let failed = ada.wait_message(&id, "failed").await;
    assert_eq!(failed["error"]["code"], code);
    assert!(failed["error"]["message"].as_str().is_some_and(|sentence| sentence.len() > 20), "{failed}");
    let timeline = Tenant::timeline(&failed);
    assert!(!timeline.contains(&"sent".to_owned()), "{timeline:?}");
    assert_eq!(timeline.last().map(String::as_str), Some("failed"));
    Ok(())
}

#[rstest]
#[tokio::test]
async fn the_other_magic_numbers_do_what_the_page_says(
    #[values(Database::Sqlite, Database::Postgres)] database: Database,
) -> Result<()> {
    let server = Waypost::start(sandbox_setup(database)).await?;
    let ada = server.register("ada").await?;
    let session = ada.sandbox().await;
    let lost_ack = ada.send_text(&session, "15550101002", "lost ack").await;
    let undelivered = ada.send_text(&session, "15550101003", "undelivered").await;
    let unread = ada.send_text(&session, "15550101004", "unread").await;
    let slow = ada.send_text(&session, "15550101006", "slow").await;
    let doubled = ada.send_text(&session, "15550101007", "doubled").await;
    let reversed = ada.send_text(&session, "15550101008", "reversed").await;
    let echoed = ada.send_text(&session, "15550101009", "echo").await;

    let everything = ["queued", "sending", "sent", "delivered", "read"];
    assert_eq!(Tenant::timeline(&ada.wait_message(&doubled, "read").await), everything);
    ada.wait_message(&reversed, "read").await;
    ada.wait_message(&echoed, "read").await;
    ada.wait_inbound(&session, "echo").await;
    ada.wait_message(&slow, "read").await;
    ada.wait_message(&lost_ack, "read").await;
    // By now these two would have gone on, if they ever did: they left before the slow one.
    assert_eq!(ada.message(&undelivered).await["status"], "sent");
    assert_eq!(ada.message(&unread).await["status"], "delivered");
    Ok(())
}

#[rstest]
#[case::lost("15550102001", "connected")]
#[case::logged_out("15550102002", "logged_out")]
#[case::replaced("15550102004", "replaced")]
#[case::outdated("15550102005", "client_outdated")]
#[tokio::test]
async fn a_session_that_falls_has_a_way_back(#[case] to: &str, #[case] fallen: &str) -> Result<()> {
    let server = Waypost::start(sandbox_setup(Database::Sqlite)).await?;
    let ada = server.register("ada").await?;
    let session = ada.sandbox().await;
    let id = ada.send_text(&session, to, "fall").await;
    ada.wait_message(&id, "sent").await;
    ada.wait_session(&session, fallen).await;

    ada.connect(&session).await;
    ada.wait_session(&session, "connected").await;
    let id = ada.send_text(&session, FRIEND, "and back").await;
    ada.wait_message(&id, "read").await;
    Ok(())
}

#[tokio::test]
async fn a_restricted_session_says_until_when_and_comes_back_by_itself_after_that() -> Result<()> {
    let server = Waypost::start(sandbox_setup(Database::Sqlite)).await?;
    let ada = server.register("ada").await?;
    let session = ada.sandbox().await;
    ada.send_text(&session, "15550102003", "fall").await;
    let restricted = ada.wait_session(&session, "restricted").await;
    assert!(restricted["lastError"]["until"].is_string(), "{restricted}");

    let path = format!("/api/v1/whatsapp/{session}");
    let early = ada.person.post(&format!("{path}/connect"), &json!({})).await;
    let sentence = early.body["message"].as_str().unwrap_or_default().to_owned();
    assert_eq!(early.failure(409), "CONFLICT");
    assert!(sentence.contains("until 20"), "{sentence}");

    ada.wait_session(&session, "connected").await;
    Ok(())
}

#[rstest]
#[tokio::test]
async fn what_is_accepted_while_disconnected_goes_out_when_the_session_is_back(
    #[values(Database::Sqlite, Database::Postgres)] database: Database,
) -> Result<()> {
    let server = Waypost::start(sandbox_setup(database)).await?;
    let ada = server.register("ada").await?;
    let session = ada.sandbox().await;
    ada.disconnect(&session).await;
    ada.wait_session(&session, "disconnected").await;

    let demanding = json!({"sessionId": session, "to": FRIEND, "text": "now or never", "requireConnected": true});
    let refused = ada.server.post("/api/external/messages/send-text", &demanding).await;
    assert_eq!(refused.failure(502), "WHATSAPP_UNAVAILABLE");

    let id = ada.send_text(&session, FRIEND, "when you can").await;
    assert_eq!(ada.message(&id).await["status"], "queued");
    ada.connect(&session).await;
    ada.wait_message(&id, "read").await;

    ada.server.post("/api/external/messages/send-text", &demanding).await.expect(200);
    let list = ada.person.get("/api/messages?direction=outbound").await.data();
    assert_eq!(list.as_array().map(Vec::len), Some(2), "the refused message was stored: {list}");
    Ok(())
}
