//! A phone is linked, and unlinked.

use anyhow::Result;
use reqwest::Method;
use rstest::rstest;
use serde_json::json;
use waypost_tests::{Database, Setup, Simulator, Waypost, eventually};

use super::{FRIEND, GATEWAY, Scene};

#[tokio::test]
async fn the_qr_code_comes_as_text_and_as_pictures() -> Result<()> {
    let simulator = Simulator::start().await?;
    let server = Waypost::start(Setup::on(Database::Sqlite).talking_to(&simulator)).await?;
    let ada = server.register("ada").await?;
    let session = ada.create_session("shop", "whatsapp").await;
    let answer = ada.connect(&session).await;
    assert_eq!(answer["status"], "qr", "connect waits for the code: {answer}");
    let path = format!("/api/v1/whatsapp/{session}/qr");

    let text = ada.person.get(&path).await.data();
    assert!(text["qr"].as_str().is_some_and(|qr| qr.split(',').count() >= 4), "{text}");
    assert!(text["expiresAt"].is_string(), "{text}");
    for (kind, magic) in [("image/png", b"\x89PNG".as_slice()), ("image/svg+xml", b"<svg".as_slice())] {
        let request = ada.person.request(Method::GET, &path).header("Accept", kind);
        let picture = ada.person.send(request).await.expect(200);
        assert_eq!(picture.headers["content-type"].to_str()?.split(';').next(), Some(kind));
        let head = &picture.bytes[..picture.bytes.len().min(200)];
        assert!(head.windows(magic.len()).any(|window| window == magic), "{kind} starts with {head:?}");
    }
    Ok(())
}

#[rstest]
#[tokio::test]
async fn a_phone_is_linked_by_a_code_that_is_typed_into_it(
    #[values(Database::Sqlite, Database::Postgres)] database: Database,
) -> Result<()> {
    let simulator = Simulator::start().await?;
    let server = Waypost::start(Setup::on(database).talking_to(&simulator)).await?;
    let ada = server.register("ada").await?;
    let session = ada.create_session("shop", "whatsapp").await;
    let path = format!("/api/v1/whatsapp/{session}/pairing-code");
    let given = ada.person.post(&path, &json!({"phoneNumber": GATEWAY})).await.data();
    let code = given["code"].as_str().expect("a code").to_owned();
    assert_eq!(code.replace('-', "").len(), 8, "{code}");
    simulator.type_pairing_code(&code, GATEWAY).await;
    let connected = ada.wait_session(&session, "connected").await;
    assert_eq!(connected["phoneNumber"], GATEWAY);
    Ok(())
}

#[tokio::test]
async fn logging_out_unlinks_the_device_and_connecting_gives_a_new_code() -> Result<()> {
    let mut scene = Scene::on(Database::Sqlite).await?;
    let path = format!("/api/v1/whatsapp/{}/logout", scene.session);
    scene.ada.person.post(&path, &json!({})).await.data();
    scene.ada.wait_session(&scene.session, "logged_out").await;

    let refused = json!({"sessionId": scene.session, "to": FRIEND, "text": "x", "requireConnected": true});
    let answer = scene.ada.server.post("/api/external/messages/send-text", &refused).await;
    assert_eq!(answer.failure(502), "WHATSAPP_UNAVAILABLE");

    let linking = scene.ada.connect(&scene.session).await;
    assert_eq!(linking["status"], "qr", "{linking}");
    let qr = scene.ada.person.get(&format!("/api/v1/whatsapp/{}/qr", scene.session)).await.data();
    scene.simulator.scan_qr(qr["qr"].as_str().expect("a code"), GATEWAY).await;
    scene.ada.wait_session(&scene.session, "connected").await;
    scene.send("linked again").await;
    scene.friend.wait_text("linked again").await;
    Ok(())
}

#[tokio::test]
async fn a_code_that_nobody_scans_can_be_left() -> Result<()> {
    let simulator = Simulator::start().await?;
    let server = Waypost::start(Setup::on(Database::Sqlite).talking_to(&simulator)).await?;
    let ada = server.register("ada").await?;
    let session = ada.create_session("shop", "whatsapp").await;
    ada.connect(&session).await;
    ada.wait_session(&session, "qr").await;
    ada.disconnect(&session).await;
    eventually("the session to be disconnected", async || {
        (ada.session(&session).await["status"] == "disconnected").then_some(())
    })
    .await;
    Ok(())
}
