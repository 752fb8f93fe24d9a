use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};
use waypost_domain::Timestamp;

use crate::support::{Api, Credential, START, string};

#[tokio::test]
async fn a_key_is_shown_once_and_never_listed() {
    let api = Api::start().await;
    let account = api.account().await;
    let body = json!({ "name": " web shop ", "scopes": ["messages:send", "messages:read", "messages:send"], "expiresAt": "2030-01-01T00:00:00Z" });
    let created = api.post("/api/api-keys", account.person(), body).await;
    let key = string(&created.data(StatusCode::CREATED)["key"]);
    assert!(key.starts_with("awp_") && key.len() == 47, "the form of a key");
    insta::assert_json_snapshot!("created", created.json(), { ".data.id" => "[id]", ".data.key" => "[key]", ".data.prefix" => "[prefix]" });

    let listed = api.get("/api/api-keys", account.person()).await;
    assert!(!String::from_utf8(listed.body.clone()).unwrap().contains(&key));
    assert!(key.starts_with(listed.json()["data"][0]["prefix"].as_str().unwrap()));
    insta::assert_json_snapshot!("listed", listed.json(), { ".data[].id" => "[id]", ".data[].prefix" => "[prefix]" });
}

#[tokio::test]
async fn a_revoked_key_is_refused_at_once() {
    let api = Api::start().await;
    let account = api.account().await;
    api.get("/api/external/messages", account.server()).await.data(StatusCode::OK);
    let path = format!("/api/api-keys/{}", account.key_id);
    api.delete(&path, account.person()).await.data(StatusCode::OK);
    api.get("/api/external/messages", account.server()).await.error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
    api.delete(&path, account.person()).await.error(StatusCode::NOT_FOUND, "NOT_FOUND");
    let listed = api.get("/api/api-keys", account.person()).await.data(StatusCode::OK);
    assert_eq!(listed, json!([]));
}

#[tokio::test]
async fn an_expired_key_is_refused_though_it_is_in_memory() {
    let api = Api::start().await;
    let account = api.account().await;
    let end = START.plus(Duration::from_secs(10)).to_string();
    let body = json!({ "name": "short", "expiresAt": end });
    let key = api.post("/api/api-keys", account.person(), body).await.data(StatusCode::CREATED);
    let key = string(&key["key"]);
    api.get("/api/external/messages", Credential::Key(&key)).await.data(StatusCode::OK);
    api.clock.advance(Duration::from_secs(10));
    let refused = api.get("/api/external/messages", Credential::Key(&key)).await;
    refused.error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
}

#[tokio::test]
async fn a_key_cannot_expire_in_the_past() {
    let api = Api::start().await;
    let account = api.account().await;
    let body = json!({ "name": "late", "expiresAt": START.to_string() });
    let refused = api.post("/api/api-keys", account.person(), body).await;
    assert_eq!(refused.field_error("expiresAt"), "Must be in the future");
}

#[tokio::test]
async fn the_last_use_of_a_key_is_noted() {
    let api = Api::start().await;
    let account = api.account().await;
    let at = START.plus(Duration::from_mins(5));
    api.clock.advance(Duration::from_mins(5));
    api.get("/api/external/messages", account.server()).await.data(StatusCode::OK);
    let used = |keys: &Value| {
        let used = keys[0]["lastUsedAt"].as_str().and_then(Timestamp::parse);
        used.is_some_and(|used| at.since(used) < Duration::from_mins(1))
    };
    api.until("/api/api-keys", account.person(), used).await;
}

#[tokio::test]
async fn a_key_may_do_what_its_scopes_say_and_nothing_else() {
    let api = Api::start().await;
    let account = api.account().await;
    let id = "0192f3a0-0000-7000-8000-000000000001";
    let session = format!("/api/external/whatsapp/{id}");
    let routes = [
        ("POST", "/api/external/messages/send-text".to_owned(), "messages:send"),
        ("POST", format!("/api/external/messages/{id}/cancel"), "messages:send"),
        ("GET", "/api/external/messages".to_owned(), "messages:read"),
        ("GET", format!("/api/external/messages/{id}"), "messages:read"),
        ("GET", "/api/external/whatsapp".to_owned(), "sessions:read"),
        ("GET", session.clone(), "sessions:read"),
        ("GET", format!("{session}/status"), "sessions:read"),
        ("GET", format!("{session}/qr"), "sessions:write"),
        ("POST", "/api/external/whatsapp".to_owned(), "sessions:write"),
        ("POST", format!("{session}/connect"), "sessions:write"),
        ("POST", format!("{session}/pairing-code"), "sessions:write"),
        ("POST", format!("{session}/disconnect"), "sessions:write"),
        ("POST", format!("{session}/logout"), "sessions:write"),
        ("DELETE", session.clone(), "sessions:write"),
    ];
    for held in ["messages:send", "messages:read", "sessions:read", "sessions:write", "webhooks:write"] {
        let body = json!({ "name": held, "scopes": [held] });
        let key = api.post("/api/api-keys", account.person(), body).await.data(StatusCode::CREATED);
        let key = string(&key["key"]);
        let caller = Credential::Key(&key);
        for (method, path, wanted) in &routes {
            let answer = match *method {
                "GET" => api.get(path, caller).await,
                "DELETE" => api.delete(path, caller).await,
                _ => api.post(path, caller, json!({})).await,
            };
            let refused = answer.status == StatusCode::FORBIDDEN;
            assert_eq!(refused, held != *wanted, "{method} {path} with {held}: {}", answer.json());
        }
    }
}
