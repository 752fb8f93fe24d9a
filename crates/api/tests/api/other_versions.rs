//! What another version of Waypost wrote is shown as unknown, beside what can be read.

use axum::http::StatusCode;
use serde_json::json;

use crate::support::Api;

#[tokio::test]
async fn a_list_shows_a_message_of_another_version_as_unknown() {
    let api = Api::start().await;
    let account = api.account().await;
    for (to, set) in [
        ("919876543210", r#"content = '{"type":"sticker","sha256":[1,2]}'"#),
        ("919876543215", r#"content = '{"type":"text","paragraphs":["Hello"]}'"#),
        ("919876543211", "status = 'prepared'"),
        ("919876543212", r#"status = 'failed', failure = '{"code":"TOO_LARGE","reason":null}'"#),
        ("919876543213", "remote_jid = '1@newsletter', direction = 'sideways'"),
        ("919876543214", "push_name = push_name"),
    ] {
        api.text(&account, to, "Hello").await;
        api.write(&format!("UPDATE messages SET {set} WHERE recipient = '{to}'")).await;
    }
    let listed = api.get("/api/messages", account.person()).await.data(StatusCode::OK);
    let mut listed = listed.as_array().unwrap().clone();
    listed.reverse();
    for message in &listed {
        let path = format!("/api/messages/{}", message["id"].as_str().unwrap());
        assert_eq!(&api.get(&path, account.person()).await.data(StatusCode::OK), message);
    }
    insta::assert_json_snapshot!("other_versions", listed, {
        "[].id" => "[id]", "[].sessionId" => "[id]",
    });
}

#[tokio::test]
async fn a_list_shows_a_session_and_a_key_of_another_version_as_unknown() {
    let api = Api::start().await;
    let account = api.account().await;
    api.write("UPDATE sessions SET status = 'asleep', engine = 'telegram', last_error = '[1]'").await;
    api.write(r#"UPDATE api_keys SET scopes = '["calls:make","messages:read","polls:send"]'"#).await;
    let sessions = api.get("/api/v1/whatsapp", account.person()).await.data(StatusCode::OK);
    assert_eq!((&sessions[0]["status"], &sessions[0]["engine"]), (&json!("unknown"), &json!("unknown")));
    assert_eq!((&sessions[0]["lastError"]["code"], &sessions[0]["connected"]), (&json!("UNKNOWN"), &json!(false)));
    let keys = api.get("/api/api-keys", account.person()).await.data(StatusCode::OK);
    assert_eq!(keys[0]["scopes"], json!(["messages:read", "unknown"]));
}

#[tokio::test]
async fn nothing_can_be_asked_for_as_unknown() {
    let api = Api::start().await;
    let account = api.account().await;
    let list = api.get("/api/messages?status=unknown", account.person()).await;
    assert!(list.field_error("status").contains("scheduled"));
    let session = api.post("/api/v1/whatsapp", account.person(), json!({ "name": "x", "engine": "unknown" })).await;
    assert!(session.field_error("engine").contains("sandbox"));
    let key = json!({ "name": "x", "scopes": ["unknown"] });
    let key = api.post("/api/api-keys", account.person(), key).await;
    key.field_error("scopes");
}
