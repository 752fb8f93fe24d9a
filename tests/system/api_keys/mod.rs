//! `/api/api-keys`: the keys of a tenant's own servers.

use anyhow::Result;
use rstest::rstest;
use serde_json::json;
use waypost_tests::{Credential, Database, Setup, Waypost};

#[rstest]
#[tokio::test]
async fn a_key_works_until_it_is_revoked_and_is_shown_once(
    #[values(Database::Sqlite, Database::Postgres)] database: Database,
) -> Result<()> {
    let server = Waypost::start(Setup::on(database)).await?;
    let ada = server.register("ada").await?;
    let created = ada.person.post("/api/api-keys", &json!({"name": "shop"})).await.expect(201).data();
    let key = created["key"].as_str().expect("a new key is shown").to_owned();
    let id = created["id"].as_str().expect("a key has an id");
    assert!(key.starts_with("awp_") && key.len() > 40, "{key}");

    let shop = server.client().with(Credential::ApiKey(key.clone()));
    shop.get("/api/external/messages").await.expect(200);

    let list = ada.person.get("/api/api-keys").await.expect(200);
    let text = String::from_utf8(list.bytes.clone())?;
    assert!(!text.contains(&key), "the list shows a whole key");
    assert!(text.contains(&key[..8]), "the list shows no prefix: {text}");

    let gone = ada.person.delete(&format!("/api/api-keys/{id}")).await;
    assert!(gone.status.is_success(), "{:?}", gone.body);
    assert_eq!(shop.get("/api/external/messages").await.failure(401), "UNAUTHORIZED");
    Ok(())
}

#[tokio::test]
async fn a_key_does_no_more_than_its_scopes() -> Result<()> {
    let server = Waypost::start(Setup::on(Database::Sqlite)).await?;
    let ada = server.register("ada").await?;
    let session = ada.sandbox().await;
    let body = json!({"name": "reader", "scopes": ["messages:read"]});
    let created = ada.person.post("/api/api-keys", &body).await.expect(201).data();
    let key = created["key"].as_str().expect("a new key is shown").to_owned();
    let reader = server.client().with(Credential::ApiKey(key));

    reader.get("/api/external/messages").await.expect(200);
    let message = json!({"sessionId": session, "to": "919876543210", "text": "hello"});
    assert_eq!(reader.post("/api/external/messages/send-text", &message).await.failure(403), "FORBIDDEN");
    let list = ada.person.get("/api/messages").await.data();
    assert_eq!(list, json!([]), "a refused message was stored");
    Ok(())
}
