//! `Idempotency-Key`: a request may be repeated, and takes effect once.

use std::time::Duration;

use axum::http::{HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};

use crate::support::{Account, Answer, Api, Credential, request, string};

const SEND: &str = "/api/messages/send-text";

async fn send(api: &Api, path: &str, credential: Credential<'_>, keys: &[&[u8]], body: &str) -> Answer {
    let mut request = request(Method::POST, path, credential, body.to_owned().into());
    request.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
    for key in keys {
        request.headers_mut().append("idempotency-key", HeaderValue::from_bytes(key).unwrap());
    }
    api.send(request).await
}

fn text(account: &Account, text: &str) -> String {
    json!({ "sessionId": account.session, "to": "919876543210", "text": text }).to_string()
}

fn is_replay(answer: &Answer) -> bool {
    answer.headers.get("idempotency-replayed").is_some_and(|value| value == "true")
}

async fn count(api: &Api, account: &Account) -> u64 {
    let listed = api.get("/api/messages", account.person()).await.json();
    listed["pagination"]["total"].as_u64().unwrap()
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer_word_for_word() {
    let api = Api::start().await;
    let account = api.account().await;
    let first = send(&api, SEND, account.person(), &[b"order 7"], &text(&account, "Hello")).await;
    assert!(!is_replay(&first) && !first.headers.contains_key("idempotency-replayed"));
    let id = string(&first.data(StatusCode::OK)["id"]);
    // What has become of the message since does not change the answer.
    let path = format!("/api/v1/whatsapp/{}", account.session);
    api.post(&format!("{path}/connect"), account.person(), json!({})).await.data(StatusCode::OK);
    api.until(&format!("/api/messages/{id}"), account.person(), |message| message["status"] == "read").await;

    let reordered = format!(
        r#"{{ "text": "Hello", "mentions": null,{}"to":"919876543210", "sessionId": "{}" }}"#,
        "\n", account.session
    );
    for (path, credential, body) in [
        (SEND, account.person(), text(&account, "Hello")),
        ("/api/v1/messages/send-text", account.person(), text(&account, "Hello")),
        ("/api/external/messages/send-text", account.server(), text(&account, "Hello")),
        ("/api/v1/external/messages/send-text", account.server(), reordered),
    ] {
        let again = send(&api, path, credential, &[b"order 7"], &body).await;
        assert!(is_replay(&again), "{path}");
        assert_eq!((again.status, &again.body), (first.status, &first.body), "{path}");
    }
    assert_eq!(count(&api, &account).await, 1);
}

#[tokio::test]
async fn another_body_under_the_same_key_is_a_mismatch() {
    let api = Api::start().await;
    let account = api.account().await;
    send(&api, SEND, account.person(), &[b"k"], &text(&account, "Hello")).await.data(StatusCode::OK);
    let refused = send(&api, SEND, account.person(), &[b"k"], &text(&account, "Bye")).await;
    refused.error(StatusCode::UNPROCESSABLE_ENTITY, "IDEMPOTENCY_MISMATCH");
    // Another key, and another tenant with the same key, are not concerned.
    assert!(!is_replay(&send(&api, SEND, account.person(), &[b"l"], &text(&account, "Bye")).await));
    let other = api.account().await;
    let theirs = send(&api, SEND, other.person(), &[b"k"], &text(&other, "Bye")).await;
    theirs.data(StatusCode::OK);
    assert!(!is_replay(&theirs));
}

#[tokio::test]
async fn twins_at_the_same_moment_are_one_message() {
    let api = Api::start().await;
    let account = api.account().await;
    let body = text(&account, "Hello");
    let twins = (0..50).map(|_| send(&api, SEND, account.person(), &[b"k"], &body));
    let answers = futures::future::join_all(twins).await;
    for answer in &answers {
        assert_eq!((answer.status, &answer.body), (StatusCode::OK, &answers[0].body));
    }
    assert_eq!(answers.iter().filter(|answer| !is_replay(answer)).count(), 1);
    assert_eq!(count(&api, &account).await, 1);
}

#[tokio::test]
async fn a_retry_is_answered_though_its_session_is_gone() {
    let api = Api::start().await;
    let account = api.account().await;
    let body: Value = serde_json::from_str(&text(&account, "Hello")).unwrap();
    let path = format!("/api/v1/whatsapp/{}", account.session);
    api.post(&format!("{path}/connect"), account.person(), json!({})).await.data(StatusCode::OK);
    api.until(&path, account.person(), |session| session["connected"] == true).await;
    let mut demanding = body.clone();
    demanding["requireConnected"] = json!(true);
    let first = send(&api, SEND, account.person(), &[b"k"], &demanding.to_string()).await;
    first.data(StatusCode::OK);
    api.post(&format!("{path}/disconnect"), account.person(), json!({})).await.data(StatusCode::OK);
    for step in ["disconnected", "deleted"] {
        let again = send(&api, SEND, account.person(), &[b"k"], &demanding.to_string()).await;
        assert_eq!((again.status, &again.body), (first.status, &first.body), "{step}");
        api.delete(&path, account.person()).await;
    }
    let fresh = send(&api, SEND, account.person(), &[b"fresh"], &body.to_string()).await;
    fresh.error(StatusCode::NOT_FOUND, "NOT_FOUND");
}

#[tokio::test]
async fn a_refused_request_uses_no_key_up() {
    let api = Api::start().await;
    let account = api.account().await;
    let nobody = json!({ "sessionId": account.session, "to": "12", "text": "Hello" }).to_string();
    send(&api, SEND, account.person(), &[b"k"], &nobody).await.field_error("to");
    let nowhere = json!({ "sessionId": "0192f3a0-0000-7000-8000-000000000001", "to": "919876543210", "text": "Hello" });
    let missing = send(&api, SEND, account.person(), &[b"k"], &nowhere.to_string()).await;
    missing.error(StatusCode::NOT_FOUND, "NOT_FOUND");
    let mut demanding: Value = serde_json::from_str(&text(&account, "Hello")).unwrap();
    demanding["requireConnected"] = json!(true);
    let refused = send(&api, SEND, account.person(), &[b"k"], &demanding.to_string()).await;
    refused.error(StatusCode::BAD_GATEWAY, "WHATSAPP_UNAVAILABLE");
    let first = send(&api, SEND, account.person(), &[b"k"], &text(&account, "Hello")).await;
    first.data(StatusCode::OK);
    assert!(!is_replay(&first));
}

#[tokio::test]
async fn a_key_that_is_none_is_refused_by_its_name() {
    let api = Api::start().await;
    let account = api.account().await;
    let body = text(&account, "Hello");
    for bad in [b"".as_slice(), "schlüssel".as_bytes(), &[b'k'; 256]] {
        let refused = send(&api, SEND, account.person(), &[bad], &body).await;
        assert_eq!(refused.field_error("Idempotency-Key"), "Must have 1 to 255 printable ASCII characters");
    }
    let twice = send(&api, SEND, account.person(), &[b"k", b"l"], &body).await;
    assert_eq!(twice.field_error("Idempotency-Key"), "Must be given once");
    assert_eq!(count(&api, &account).await, 0);
    send(&api, SEND, account.person(), &[&[b'k'; 255]], &body).await.data(StatusCode::OK);
}

#[tokio::test]
async fn after_24_hours_a_key_is_new_again() {
    let api = Api::start().await;
    let account = api.account().await;
    let body = text(&account, "Hello");
    let sent = async || send(&api, "/api/external/messages/send-text", account.server(), &[b"k"], &body).await;
    let first = string(&sent().await.data(StatusCode::OK)["id"]);
    api.clock.advance(Duration::from_hours(24) - Duration::from_millis(1));
    assert_eq!(string(&sent().await.data(StatusCode::OK)["id"]), first);
    api.clock.advance(Duration::from_millis(1));
    let next = sent().await;
    assert!(!is_replay(&next));
    assert_ne!(string(&next.data(StatusCode::OK)["id"]), first);
}
