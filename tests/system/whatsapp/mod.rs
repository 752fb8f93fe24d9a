//! `/api/v1/whatsapp`: sessions. Linking a phone is under `wire`.

use anyhow::Result;
use rstest::rstest;
use serde_json::json;
use waypost_tests::{Database, Setup, Waypost};

#[rstest]
#[tokio::test]
async fn a_session_is_created_listed_connected_and_deleted(
    #[values(Database::Sqlite, Database::Postgres)] database: Database,
) -> Result<()> {
    let server = Waypost::start(Setup::on(database)).await?;
    let ada = server.register("ada").await?;
    let body = json!({"name": "shop", "engine": "sandbox"});
    let created = ada.person.post("/api/v1/whatsapp", &body).await.expect(201).data();
    assert_eq!(created["status"], "disconnected");
    assert_eq!(created["connected"], false);
    let id = created["id"].as_str().expect("an id");

    ada.connect(id).await;
    let connected = ada.wait_session(id, "connected").await;
    assert_eq!(connected["connected"], true);
    assert!(connected["phoneNumber"].as_str().is_some_and(|number| number.starts_with("1555")), "{connected}");
    assert!(connected["connectedAt"].is_string(), "{connected}");

    let list = ada.person.get("/api/v1/whatsapp").await.expect(200);
    assert_eq!(list.body["pagination"]["total"], 1);
    assert_eq!(list.body["data"][0]["id"], id);
    assert_eq!(list.body["data"][0]["status"], "connected");

    let message = ada.send_text(id, "919876543210", "hello").await;
    ada.wait_message(&message, "read").await;
    let gone = ada.person.delete(&format!("/api/v1/whatsapp/{id}")).await;
    assert!(gone.status.is_success(), "{:?}", gone.body);
    assert_eq!(ada.person.get(&format!("/api/v1/whatsapp/{id}")).await.failure(404), "NOT_FOUND");
    assert_eq!(ada.message(&message).await["status"], "read", "its messages stay readable");
    Ok(())
}

#[tokio::test]
async fn old_clients_find_every_route_without_the_version_too() -> Result<()> {
    let server = Waypost::start(Setup::on(Database::Sqlite)).await?;
    let ada = server.register("ada").await?;
    let session = ada.sandbox().await;
    for path in [format!("/api/whatsapp/{session}"), format!("/api/v1/whatsapp/{session}")] {
        assert_eq!(ada.person.get(&path).await.data()["id"], session.as_str());
    }
    let id = ada.send_text(&session, "919876543210", "hello").await;
    for path in [format!("/api/messages/{id}"), format!("/api/v1/messages/{id}")] {
        assert_eq!(ada.person.get(&path).await.data()["id"], id.as_str());
    }
    Ok(())
}

#[tokio::test]
async fn what_a_state_does_not_allow_is_a_conflict_that_says_what_to_do() -> Result<()> {
    let server = Waypost::start(Setup::on(Database::Sqlite)).await?;
    let ada = server.register("ada").await?;
    let session = ada.create_session("idle", "sandbox").await;
    let answer = ada.person.get(&format!("/api/v1/whatsapp/{session}/qr")).await;
    let sentence = answer.body["message"].as_str().unwrap_or_default().to_owned();
    assert_eq!(answer.failure(409), "CONFLICT");
    assert!(sentence.to_lowercase().contains("connect"), "{sentence}");
    Ok(())
}

#[rstest]
#[tokio::test]
async fn a_connected_session_comes_back_by_itself_after_a_restart(
    #[values(Database::Sqlite, Database::Postgres)] database: Database,
) -> Result<()> {
    let mut server = Waypost::start(Setup::on(database)).await?;
    let ada = server.register("ada").await?;
    let session = ada.sandbox().await;
    let idle = ada.sandbox().await;
    ada.disconnect(&idle).await;
    server.restart().await?;
    ada.wait_session(&session, "connected").await;
    let message = ada.send_text(&session, "919876543210", "still here").await;
    ada.wait_message(&message, "read").await;
    assert_eq!(ada.session(&idle).await["status"], "disconnected", "nobody asked for that one");
    Ok(())
}
