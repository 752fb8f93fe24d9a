//! http-api.md, "Ground rules".

use std::{num::NonZeroU32, time::Duration};

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use serde_json::json;
use waypost_api::ApiConfig;

use crate::support::{Api, Credential, Setup, request};

#[tokio::test]
async fn every_answer_carries_its_request_id_and_security_headers() {
    let api = Api::start().await;
    let mut ids = Vec::new();
    for path in ["/health/live", "/api/version", "/api/nowhere", "/api/messages"] {
        let answer = api.get(path, Credential::None).await;
        for (name, value) in
            [("x-content-type-options", "nosniff"), ("x-frame-options", "DENY"), ("cache-control", "no-store")]
        {
            assert_eq!(answer.headers[name], value, "{path}");
        }
        ids.push(answer.headers["x-request-id"].to_str().unwrap().to_owned());
    }
    ids.dedup();
    assert_eq!(ids.len(), 4, "every request has an id of its own");
}

#[tokio::test]
async fn both_mounts_are_one_router() {
    let api = Api::start().await;
    let account = api.account().await;
    let id = api.text(&account, "919876543210", "Hello").await;
    for path in [format!("messages/{id}"), "auth/me".into(), "whatsapp".into(), "version".into(), "api-keys".into()] {
        let old = api.get(&format!("/api/{path}"), account.person()).await.json();
        let new = api.get(&format!("/api/v1/{path}"), account.person()).await.json();
        assert_eq!(old, new, "{path}");
    }
}

#[tokio::test]
async fn an_unknown_route_and_a_wrong_method_have_the_envelope_too() {
    let api = Api::start().await;
    for path in ["/", "/api", "/api/nowhere", "/api/external/nowhere", "/api/external/api-keys", "/api/v2/messages"] {
        api.get(path, Credential::None).await.error(StatusCode::NOT_FOUND, "NOT_FOUND");
    }
    let account = api.account().await;
    let wrong = api.delete("/api/messages", account.person()).await;
    wrong.error(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED");
    assert_eq!(wrong.headers[header::ALLOW], "GET,HEAD");
    let wrong = api.get("/api/auth/login", Credential::None).await;
    wrong.error(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED");
    assert_eq!(wrong.headers[header::ALLOW], "POST");
}

#[tokio::test]
async fn a_credential_of_the_wrong_kind_or_form_is_none() {
    let api = Api::start().await;
    let account = api.account().await;
    let unauthorized = async |path: &str, name: &str, value: &str| {
        let request = Request::get(path).header(name, value).body(Body::empty()).unwrap();
        let answer = api.send(request).await;
        answer.error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
        assert_eq!(answer.headers[header::WWW_AUTHENTICATE], "Bearer");
    };
    unauthorized("/api/messages", "x-api-key", &account.key).await;
    unauthorized("/api/external/messages", "authorization", &format!("Bearer {}", account.token)).await;
    unauthorized("/api/messages", "authorization", &account.token).await;
    unauthorized("/api/messages", "authorization", &format!("Basic {}", account.token)).await;
    unauthorized("/api/messages", "authorization", "Bearer ").await;
    unauthorized("/api/messages", "authorization", &format!("Bearer {}", account.key)).await;
    unauthorized("/api/messages", "authorization", &format!("Bearer {}x", account.token)).await;
    unauthorized("/api/external/messages", "x-api-key", "").await;
    unauthorized("/api/external/messages", "x-api-key", "awp_").await;
    unauthorized("/api/external/messages", "x-api-key", &account.key[..46]).await;
    unauthorized("/api/external/messages", "x-api-key", &account.key.replace("awp_", "AWP_")).await;

    let lower = Request::get("/api/messages").header("authorization", format!("bearer {}", account.token));
    assert_eq!(api.send(lower.body(Body::empty()).unwrap()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn every_authenticated_answer_tells_the_rate_limit() {
    let api = Api::start().await;
    let account = api.account().await;
    let id = "0192f3a0-0000-7000-8000-000000000001";
    for answer in [
        api.get("/api/messages", account.person()).await,
        api.get("/api/external/messages", account.server()).await,
        api.get(&format!("/api/messages/{id}"), account.person()).await,
        api.post("/api/messages/send-text", account.person(), json!({})).await,
    ] {
        assert_eq!(answer.headers["ratelimit-limit"], "6000000");
        assert!(answer.headers.contains_key("ratelimit-remaining") && answer.headers.contains_key("ratelimit-reset"));
    }
}

#[tokio::test]
async fn past_its_rate_limit_a_tenant_is_told_when_to_come_back() {
    let config = ApiConfig { requests_per_minute: NonZeroU32::new(4), ..ApiConfig::default() };
    let api = Api::with(Setup { api: config, ..Setup::default() }).await;
    // Making the account takes two requests of its tenant.
    let account = api.account().await;
    for remaining in ["1", "0"] {
        let answer = api.get("/api/messages", account.person()).await;
        answer.data(StatusCode::OK);
        assert_eq!(answer.headers["ratelimit-remaining"], remaining);
    }
    let refused = api.get("/api/external/messages", account.server()).await;
    refused.error(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED");
    assert_eq!(refused.headers["ratelimit-remaining"], "0");
    let wait: u32 = refused.headers[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=15).contains(&wait), "{wait}");
    let other = api.account().await;
    api.get("/api/messages", other.person()).await.data(StatusCode::OK);
}

#[tokio::test]
async fn without_a_rate_limit_there_is_nothing_to_tell() {
    let config = ApiConfig { requests_per_minute: None, ..ApiConfig::default() };
    let api = Api::with(Setup { api: config, ..Setup::default() }).await;
    let account = api.account().await;
    let answer = api.get("/api/messages", account.person()).await;
    answer.data(StatusCode::OK);
    assert!(!answer.headers.contains_key("ratelimit-limit"));
}

#[tokio::test]
async fn nothing_of_a_broken_databases_cause_leaks() {
    let api = Api::start().await;
    let account = api.account().await;
    api.break_database().await;
    let failed = api.get("/api/messages", account.person()).await;
    insta::assert_json_snapshot!("not_ready", failed.error(StatusCode::SERVICE_UNAVAILABLE, "NOT_READY"));
    let ready = api.get("/health/ready", Credential::None).await;
    insta::assert_json_snapshot!("check_failed", ready.error(StatusCode::SERVICE_UNAVAILABLE, "NOT_READY"));
    api.get("/health/live", Credential::None).await.data(StatusCode::OK);
}

#[tokio::test]
async fn a_warm_credential_needs_no_database() {
    let api = Api::start().await;
    let account = api.account().await;
    let id = "not-a-uuid";
    api.get(&format!("/api/messages/{id}"), account.person()).await.field_error("id");
    api.get(&format!("/api/external/messages/{id}"), account.server()).await.field_error("id");
    api.break_database().await;
    api.get(&format!("/api/messages/{id}"), account.person()).await.field_error("id");
    api.get(&format!("/api/external/messages/{id}"), account.server()).await.field_error("id");
}

#[tokio::test]
async fn foreign_pages_may_call_only_where_they_are_let() {
    let preflight = || {
        let mut request = request(Method::OPTIONS, "/api/messages", Credential::None, Body::empty());
        request.headers_mut().insert(header::ORIGIN, "https://app.example.com".parse().unwrap());
        request.headers_mut().insert(header::ACCESS_CONTROL_REQUEST_METHOD, "GET".parse().unwrap());
        let wanted = "x-api-key, idempotency-key".parse().unwrap();
        request.headers_mut().insert(header::ACCESS_CONTROL_REQUEST_HEADERS, wanted);
        request
    };
    let closed = Api::start().await.send(preflight()).await;
    assert!(!closed.headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    let config = ApiConfig { cors_origins: vec!["https://app.example.com".parse().unwrap()], ..ApiConfig::default() };
    let open = Api::with(Setup { api: config, ..Setup::default() }).await.send(preflight()).await;
    assert_eq!(open.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example.com");
    let allowed = open.headers[header::ACCESS_CONTROL_ALLOW_HEADERS].to_str().unwrap();
    assert!(allowed.contains("idempotency-key"), "{allowed}");
    let methods: Vec<_> =
        open.headers[header::ACCESS_CONTROL_ALLOW_METHODS].to_str().unwrap().split(',').map(str::trim).collect();
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        assert!(methods.contains(&method), "{method} in {methods:?}");
    }
}

#[tokio::test]
async fn a_caller_who_hangs_up_breaks_nothing() {
    let api = Api::start().await;
    let account = api.account().await;
    let body = json!({ "sessionId": account.session, "to": "919876543210", "text": "Hello" });
    let sending = api.post("/api/messages/send-text", account.person(), body);
    let _ = tokio::time::timeout(Duration::ZERO, sending).await;
    api.get("/api/messages", account.person()).await.data(StatusCode::OK);
}

#[tokio::test]
async fn the_version_offers_the_source() {
    let api = Api::start().await;
    insta::assert_json_snapshot!("version", api.get("/api/version", Credential::None).await.data(StatusCode::OK));
}
