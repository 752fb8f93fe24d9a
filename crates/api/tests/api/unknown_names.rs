//! A name that a route does not know is refused on every route, in the body and in the query: what is dropped in silence
//! was meant. The routes are the document's, so a new one is in it.

use axum::{
    body::Body,
    http::{Method, StatusCode, header},
};
use serde_json::{Value, json};

use crate::{
    support::{Account, Answer, Api, Credential, request},
    walls::{Operation, operations},
};

async fn call(api: &Api, account: &Account, operation: &Operation, query: &str, body: Option<&Value>) -> Answer {
    let id = if operation.path.contains("api-keys") { &account.key_id } else { &account.session };
    let path = format!("{}{query}", operation.path.replace("{id}", id));
    operation.call(api, &path, operation.credential(account), body).await
}

#[tokio::test]
async fn a_member_that_the_route_does_not_know_is_refused_and_named() {
    let api = Api::start().await;
    let account = api.account().await;
    for operation in operations().into_iter().filter(|operation| operation.security.is_some()) {
        // Of what a GET has for a body, HTTP says nothing.
        if operation.body.is_none() && operation.method == Method::GET && !operation.parameters.is_empty() {
            continue;
        }
        let mut body = operation.good_body().unwrap_or_else(|| json!({}));
        body["nonsense"] = Value::Null;
        let refused = call(&api, &account, &operation, "", Some(&body)).await;
        let sentence = refused.error(StatusCode::BAD_REQUEST, "VALIDATION_ERROR")["errors"]["nonsense"].clone();
        assert_eq!(sentence, "Is not a field of this request", "{} {}", operation.method, operation.path);
    }
    let session = api.get(&format!("/api/v1/whatsapp/{}", account.session), account.person()).await;
    assert_eq!(session.data(StatusCode::OK)["status"], "disconnected", "nothing was done");
}

#[tokio::test]
async fn a_parameter_that_the_route_does_not_know_is_refused_and_named() {
    let api = Api::start().await;
    let account = api.account().await;
    for operation in operations().into_iter().filter(|operation| operation.security.is_some()) {
        let body = operation.good_body();
        let refused = call(&api, &account, &operation, "?nonsense=1", body.as_ref()).await;
        let sentence = refused.field_error("nonsense");
        assert_eq!(sentence, "Is not a field of this request", "{} {}", operation.method, operation.path);
    }
    for open in ["/health/live", "/health/ready", "/api/version", "/api/openapi.json"] {
        let answer = api.get(&format!("{open}?nonsense=1"), Credential::None).await;
        assert_eq!(answer.status, StatusCode::OK, "{open}: whoever watches may add what keeps caches away");
    }
}

#[tokio::test]
async fn a_parameter_that_stands_twice_is_refused() {
    let api = Api::start().await;
    let account = api.account().await;
    let refused = api.get("/api/messages?status=failed&status=read", account.person()).await;
    assert_eq!(refused.field_error("status"), "Stands twice. Write it once");
}

#[tokio::test]
async fn a_member_that_stands_twice_is_refused_at_any_depth() {
    let api = Api::start().await;
    let account = api.account().await;
    let session = format!("/api/v1/whatsapp/{}", account.session);
    for (method, path, body, named) in [
        (Method::POST, "/api/messages/send-text", r#"{"to":"919876543210","text":"a","to":"919876543211"}"#, "to"),
        (Method::PATCH, &session, r#"{"pacing":{"perMinute":1,"perMinute":2}}"#, "pacing.perMinute"),
    ] {
        let mut request = request(method, path, account.person(), Body::from(body));
        request.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
        assert_eq!(api.send(request).await.field_error(named), "Stands twice. Write it once");
    }
}

#[tokio::test]
async fn a_name_that_is_nearly_right_is_answered_with_the_right_one() {
    let api = Api::start().await;
    let account = api.account().await;
    for (written, meant) in [
        ("sendat", "sendAt"),
        ("send_at", "sendAt"),
        ("SendAt", "sendAt"),
        ("expires_at", "expiresAt"),
        ("check_number", "checkNumber"),
        ("require_connected", "requireConnected"),
    ] {
        let mut body = json!({ "sessionId": account.session, "to": "919876543210", "text": "Hello" });
        body[written] = json!("2027-12-24T18:00:00Z");
        let refused = api.post("/api/messages/send-text", account.person(), body).await;
        assert_eq!(refused.field_error(written), format!("Is not a field of this request. Did you mean {meant}?"));
    }
    for (query, named, meant) in [
        ("stauts=failed", "stauts", Some("status")),
        ("session_id=x", "session_id", Some("sessionId")),
        ("untill=2026-01-01T00:00:00Z", "untill", Some("until")),
        ("filter.timestamp.lte=1784242880", "filter.timestamp.lte", None),
    ] {
        let refused = api.get(&format!("/api/messages?{query}"), account.person()).await;
        let hint = meant.map(|meant| format!(". Did you mean {meant}?")).unwrap_or_default();
        assert_eq!(refused.field_error(named), format!("Is not a field of this request{hint}"));
    }
    let pace = json!({ "pacing": { "perMinut": 1 } });
    let refused = api.patch(&format!("/api/v1/whatsapp/{}", account.session), account.person(), pace).await;
    assert_eq!(refused.field_error("pacing.perMinut"), "Is not a field of this request. Did you mean perMinute?");
    assert_eq!(api.get("/api/messages", account.person()).await.data(StatusCode::OK), json!([]));
}

#[tokio::test]
async fn a_route_without_a_body_takes_none_or_one_that_says_nothing() {
    let api = Api::start().await;
    let account = api.account().await;
    let path = format!("/api/v1/whatsapp/{}/disconnect", account.session);
    for body in ["", " \n", "{}", "null"] {
        let answer = api.send(request(Method::POST, &path, account.person(), Body::from(body))).await;
        assert_ne!(answer.status, StatusCode::BAD_REQUEST, "{body:?}");
    }
    for body in ["[]", "7", "at=now", r#"{"a":1,"a":1}"#] {
        let refused = api.send(request(Method::POST, &path, account.person(), Body::from(body.to_owned()))).await;
        let sentence = "Must be empty, or an empty JSON object: this request takes none";
        assert_eq!(refused.field_error("body"), sentence);
    }
    let large = Body::from(" ".repeat(1024 * 1024 + 1));
    let refused = api.send(request(Method::POST, &path, account.person(), large)).await;
    refused.error(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE");
}
