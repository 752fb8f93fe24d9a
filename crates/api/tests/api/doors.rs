//! What is bounded before anybody is known: whose word on an address counts, how long bodies are, how much of them and of
//! answers is in memory at a time, and what a full server says.

use std::{convert::Infallible, net::SocketAddr};

use axum::{
    body::{Body, Bytes},
    extract::ConnectInfo,
    http::{Method, Request, StatusCode, header},
};
use futures::{StreamExt, channel::mpsc, stream};
use rstest::rstest;
use serde_json::json;
use waypost_api::{ApiConfig, TrustedProxies, TurnedAway};

use crate::support::{Api, Credential, Setup, request};

/// What strangers' bodies may have.
const STRANGERS_LIMIT: usize = 16 * 1024;

fn login(body: Body) -> Request<Body> {
    let mut request = request(Method::POST, "/api/auth/login", Credential::None, body);
    request.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
    request
}

/// A body that is still on its way, and what sends the rest of it.
fn slow() -> (Body, mpsc::UnboundedSender<&'static str>) {
    let (rest, pieces) = mpsc::unbounded();
    (Body::from_stream(pieces.map(Ok::<_, Infallible>)), rest)
}

async fn with_room_for(bytes: usize) -> Api {
    let api = ApiConfig { max_body_bytes_in_flight: bytes, ..ApiConfig::default() };
    Api::with(Setup { api, ..Setup::default() }).await
}

#[rstest]
#[case::declared(true)]
#[case::in_chunks(false)]
#[tokio::test]
async fn a_body_without_a_credential_is_short(#[case] declared: bool) {
    let api = Api::start().await;
    let account = api.account().await;
    let padded = |length: usize| " ".repeat(length - 2) + "{}";
    let send = |length: usize| {
        let body = padded(length);
        login(if declared { body.into() } else { Body::from_stream(stream::iter([Ok::<_, Infallible>(body)])) })
    };
    api.send(send(STRANGERS_LIMIT)).await.error(StatusCode::BAD_REQUEST, "VALIDATION_ERROR");
    let refused = api.send(send(STRANGERS_LIMIT + 1)).await.error(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE");
    assert_eq!(refused["message"], "The body is over its limit of 16384 bytes");

    let mut long = request(Method::POST, "/api/api-keys", account.person(), Body::from(padded(STRANGERS_LIMIT + 1)));
    long.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
    api.send(long).await.error(StatusCode::BAD_REQUEST, "VALIDATION_ERROR");
}

#[tokio::test]
async fn bodies_on_their_way_stay_within_their_budget_and_strangers_leave_room() {
    let api = with_room_for(32 * STRANGERS_LIMIT).await;
    let account = api.account().await;
    let (body, rest) = slow();
    let waits = api.send(login(body));
    tokio::pin!(waits);
    assert!(futures::poll!(waits.as_mut()).is_pending());

    let refused = api.login("ada@example.com", "wrong horse").await;
    refused.error(StatusCode::SERVICE_UNAVAILABLE, "NOT_READY");
    assert_eq!(refused.headers[header::RETRY_AFTER], "2");
    api.post("/api/api-keys", account.person(), json!({ "name": "x" })).await.data(StatusCode::CREATED);

    rest.unbounded_send("{}").unwrap();
    drop(rest);
    waits.await.error(StatusCode::BAD_REQUEST, "VALIDATION_ERROR");
    api.login("ada@example.com", "wrong horse").await.error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
}

#[tokio::test]
async fn a_large_answer_is_in_the_budget_until_it_is_written() {
    let api = with_room_for(256 * 1024).await;
    let account = api.account().await;
    for _ in 0..3 {
        api.text(&account, "919876543210", &"x".repeat(20_000)).await;
    }
    let list = || request(Method::GET, "/api/messages", account.person(), Body::empty());
    let unread: Bytes = axum::body::to_bytes(api.answer(list()).await.into_body(), usize::MAX).await.unwrap();
    assert!(unread.len() > 60_000, "{}", unread.len());
    api.send(list()).await.error(StatusCode::SERVICE_UNAVAILABLE, "NOT_READY");
    // Small ones go on.
    api.get("/api/auth/me", account.person()).await.data(StatusCode::OK);
    drop(unread);
    api.send(list()).await.data(StatusCode::OK);
}

#[tokio::test]
async fn a_trusted_proxy_that_names_nobody_readable_is_refused_and_not_taken_for_the_client() {
    let proxies = TrustedProxies { networks: vec!["10.0.0.0/8".parse().unwrap()], ..TrustedProxies::default() };
    let config = ApiConfig { proxies, ..ApiConfig::default() };
    let api = Api::with(Setup { api: config, ..Setup::default() }).await;
    let call = |peer: [u8; 4], named: &str| {
        let mut call = request(Method::GET, "/api/version", Credential::None, Body::empty());
        call.headers_mut().insert("x-forwarded-for", named.parse().unwrap());
        call.extensions_mut().insert(ConnectInfo(SocketAddr::from((peer, 40_000))));
        api.send(call)
    };
    call([10, 0, 0, 1], "192.0.2.1:5678").await.data(StatusCode::OK);
    let sentence = call([10, 0, 0, 1], "unknown").await.field_error("x-forwarded-for");
    assert!(sentence.contains("trusted proxy"), "{sentence}");
    call([192, 0, 2, 1], "unknown").await.data(StatusCode::OK);
}

#[rstest]
#[case(TurnedAway::AddressFull, "from this address")]
#[case(TurnedAway::ServerFull, "Too many connections are open.")]
#[tokio::test]
async fn a_request_for_which_there_is_no_connection_may_ask_for_health_alone(
    #[case] why: TurnedAway,
    #[case] says: &str,
) {
    let api = Api::start().await;
    let account = api.account().await;
    let call = |path: &str| {
        let mut call = request(Method::GET, path, account.person(), Body::empty());
        call.extensions_mut().insert(why);
        api.send(call)
    };
    for path in ["/health/live", "/health/ready"] {
        call(path).await.data(StatusCode::OK);
    }
    for path in ["/api/auth/me", "/health/other", "/"] {
        let refused = call(path).await;
        let body = refused.error(StatusCode::SERVICE_UNAVAILABLE, "NOT_READY");
        assert!(body["message"].as_str().unwrap().contains(says), "{body}");
        assert_eq!(refused.headers[header::RETRY_AFTER], "2");
    }
}
