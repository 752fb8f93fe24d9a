//! `sendAt`, `expiresAt`, cancel.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Account, Api, START, string};

async fn send(api: &Api, account: &Account, extra: Value) -> crate::support::Answer {
    let mut body = json!({ "sessionId": account.session, "to": "919876543210", "text": "Hello" });
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    api.post("/api/external/messages/send-text", account.server(), body).await
}

async fn connect(api: &Api, account: &Account) {
    let path = format!("/api/v1/whatsapp/{}", account.session);
    api.post(&format!("{path}/connect"), account.person(), json!({})).await.data(StatusCode::OK);
    api.until(&path, account.person(), |session| session["connected"] == true).await;
}

fn at(seconds: u64) -> String {
    START.plus(Duration::from_secs(seconds)).to_string()
}

#[tokio::test]
async fn a_scheduled_message_says_so_and_is_sent_when_the_clock_says_its_time() {
    let api = Api::start().await;
    let account = api.account().await;
    connect(&api, &account).await;
    let sent = send(&api, &account, json!({ "sendAt": at(3600), "expiresAt": at(7200) })).await.data(StatusCode::OK);
    assert_eq!(sent["status"], "scheduled");
    let path = format!("/api/external/messages/{}", string(&sent["id"]));
    let message = api.get(&path, account.server()).await.data(StatusCode::OK);
    assert_eq!((&message["status"], &message["sendAt"]), (&json!("scheduled"), &json!(at(3600))));
    assert_eq!(message["expiresAt"], json!(at(7200)));
    let listed = api.get("/api/external/messages?status=scheduled", account.server()).await.data(StatusCode::OK);
    assert_eq!(listed[0]["id"], sent["id"]);
    api.clock.advance(Duration::from_secs(3599));
    assert_eq!(api.get(&path, account.server()).await.data(StatusCode::OK)["status"], "scheduled");
    api.clock.advance(Duration::from_secs(1));
    let read = api.until(&path, account.server(), |message| message["status"] == "read").await;
    let steps: Vec<_> = read["timeline"].as_array().unwrap().iter().map(|step| string(&step["status"])).collect();
    assert_eq!(steps, ["scheduled", "queued", "sending", "sent", "delivered", "read"]);
}

#[tokio::test]
async fn times_that_cannot_be_kept_are_refused_and_say_why() {
    let api = Api::start().await;
    let account = api.account().await;
    let days = |days: u64| at(days * 24 * 3600);
    let window = format!("Must be from now to 35 days ahead: {} to {}", at(0), days(35));
    let past = START.minus(Duration::from_secs(1)).to_string();
    let no_time = "Must be an RFC 3339 time: a date, T, a time and an offset, such as 2026-11-22T13:45:00.000Z or \
                   2026-11-22T19:15:00+05:30";
    for (extra, field, sentence) in [
        (json!({ "sendAt": past }), "sendAt", window.as_str()),
        (json!({ "sendAt": days(36) }), "sendAt", &window),
        (json!({ "sendAt": "tomorrow" }), "sendAt", no_time),
        (json!({ "expiresAt": at(0) }), "expiresAt", &format!("Must be in the future. It is {}", at(0))),
        (json!({ "sendAt": at(60), "expiresAt": at(60) }), "expiresAt", "Must be after sendAt"),
    ] {
        assert_eq!(send(&api, &account, extra).await.field_error(field), sentence);
    }
    // The present second is no past: a caller's clock may write no more than seconds.
    api.clock.advance(Duration::from_millis(900));
    let now = send(&api, &account, json!({ "sendAt": at(0) })).await.data(StatusCode::OK);
    assert_eq!(now["status"], "queued");
}

#[tokio::test]
async fn a_repeated_schedule_gets_its_answer_when_its_time_is_over() {
    let api = Api::start().await;
    let account = api.account().await;
    let body = json!({ "sessionId": account.session, "to": "919876543210", "text": "Hello", "sendAt": at(60) });
    let mut ids = Vec::new();
    for _ in 0..2 {
        let mut request = crate::support::request(
            axum::http::Method::POST,
            "/api/messages/send-text",
            account.person(),
            body.to_string().into(),
        );
        request.headers_mut().insert("content-type", "application/json".parse().unwrap());
        request.headers_mut().insert("idempotency-key", "k".parse().unwrap());
        let answer = api.send(request).await.data(StatusCode::OK);
        assert_eq!(answer["status"], "scheduled");
        ids.push(string(&answer["id"]));
        api.clock.advance(Duration::from_mins(10));
    }
    assert_eq!(ids[0], ids[1]);
}

#[tokio::test]
async fn an_expired_message_fails_with_a_sentence() {
    let api = Api::start().await;
    let account = api.account().await;
    let sent = send(&api, &account, json!({ "expiresAt": at(60) })).await.data(StatusCode::OK);
    let path = format!("/api/messages/{}", string(&sent["id"]));
    api.clock.advance(Duration::from_mins(1));
    let failed = api.until(&path, account.person(), |message| message["status"] == "failed").await;
    assert_eq!(failed["error"]["code"], "EXPIRED");
    assert_eq!(failed["expiresAt"], json!(at(60)));
}

#[tokio::test]
async fn what_waits_can_be_canceled_and_what_left_cannot() {
    let api = Api::start().await;
    let account = api.account().await;
    let scheduled = send(&api, &account, json!({ "sendAt": at(3600) })).await.data(StatusCode::OK);
    let queued = send(&api, &account, json!({})).await.data(StatusCode::OK);
    for (message, mount, credential) in
        [(&scheduled, "/api/external", account.server()), (&queued, "/api", account.person())]
    {
        let path = format!("{mount}/messages/{}/cancel", string(&message["id"]));
        let canceled = api.post(&path, credential, json!({})).await.data(StatusCode::OK);
        assert_eq!((&canceled["status"], &canceled["id"]), (&json!("canceled"), &message["id"]));
        let again = api.post(&path, credential, json!({})).await.error(StatusCode::CONFLICT, "CONFLICT");
        assert_eq!(again["message"], "The message is canceled. It was canceled before");
    }
    connect(&api, &account).await;
    let id = api.text(&account, "919876543210", "now").await;
    api.until(&format!("/api/messages/{id}"), account.person(), |message| message["status"] == "read").await;
    let late = api.post(&format!("/api/messages/{id}/cancel"), account.person(), json!({})).await;
    let late = late.error(StatusCode::CONFLICT, "CONFLICT");
    assert_eq!(late["message"], "The message is read. Only a message that is scheduled or queued can be canceled");
    let stranger = api.account().await;
    for path in
        [format!("/api/messages/{id}/cancel"), "/api/messages/0192f3a0-0000-7000-8000-000000000001/cancel".into()]
    {
        api.post(&path, stranger.person(), json!({})).await.error(StatusCode::NOT_FOUND, "NOT_FOUND");
    }
}
