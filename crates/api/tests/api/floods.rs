//! What strangers may ask for, and who is served meanwhile.

use std::{num::NonZeroU32, time::Duration};

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use serde_json::{Value, json};
use waypost_accounts::{AccountsConfig, LoginLimits, RegistrationLimits, RegistrationOpen};
use waypost_api::ApiConfig;

use crate::support::{Account, Answer, Api, Credential, OPERATOR, Setup, request};

const GUESSER: [u8; 4] = [192, 0, 2, 1];
const VICTIM: [u8; 4] = [192, 0, 2, 2];

const LOGIN: &str = "/api/auth/login";
const REFRESH: &str = "/api/auth/refresh";
const REGISTER: &str = "/api/auth/register";

fn login(email: &str, password: &str) -> Value {
    json!({ "email": email, "password": password })
}

fn registration(email: &str) -> Value {
    json!({ "name": "Ada", "email": email, "password": "correct horse", "businessName": "Engines" })
}

fn by_key(key: &str) -> Request<Body> {
    request(Method::GET, "/api/external/messages", Credential::Key(key), Body::empty())
}

fn by_token(path: &str, token: &str) -> Request<Body> {
    request(Method::GET, path, Credential::Token(token), Body::empty())
}

#[track_caller]
fn must_wait(answer: &Answer) -> u64 {
    answer.error(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED");
    answer.headers[header::RETRY_AFTER].to_str().unwrap().parse().unwrap()
}

fn unknown_key(number: u32) -> String {
    format!("awp_{number:043}")
}

#[tokio::test]
async fn a_guesser_waits_longer_and_longer_and_its_victim_does_not() {
    let api = Api::start().await;
    let account = api.account().await;
    for email in [account.email.as_str(), "eve@example.com"] {
        for _ in 0..5 {
            let answer = api.post_from(GUESSER, LOGIN, login(email, "wrong horse")).await;
            answer.error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
        }
        for wait in [1, 2, 4] {
            assert_eq!(must_wait(&api.post_from(GUESSER, LOGIN, login(email, "correct horse")).await), wait);
            api.clock.advance(Duration::from_secs(wait));
            let answer = api.post_from(GUESSER, LOGIN, login(email, "wrong horse")).await;
            answer.error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
        }
    }
    let answer = api.post_from(VICTIM, LOGIN, login(&account.email, "correct horse")).await;
    answer.data(StatusCode::OK);
}

#[tokio::test]
async fn one_address_cannot_try_many_accounts() {
    let limits = LoginLimits { failures_per_minute: NonZeroU32::new(3), ..LoginLimits::default() };
    let accounts = AccountsConfig { login_limits: limits, ..AccountsConfig::default() };
    let api = Api::with(Setup { accounts, ..Setup::default() }).await;
    let account = api.account().await;
    for number in 0..3 {
        let email = format!("eve{number}@example.com");
        let answer = api.post_from(GUESSER, LOGIN, login(&email, "wrong horse")).await;
        answer.error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
    }
    assert_eq!(must_wait(&api.post_from(GUESSER, LOGIN, login(&account.email, "correct horse")).await), 20);
    for _ in 0..10 {
        api.post_from(VICTIM, LOGIN, login(&account.email, "correct horse")).await.data(StatusCode::OK);
    }
}

#[tokio::test]
async fn registrations_are_counted_by_address_and_in_all_before_a_hash_is_made() {
    let limits = RegistrationLimits { per_network: NonZeroU32::new(2), in_all: NonZeroU32::new(3) };
    let accounts = AccountsConfig { registration_limits: limits, ..AccountsConfig::default() };
    let api = Api::with(Setup { accounts, ..Setup::default() }).await;
    api.post_from(GUESSER, REGISTER, registration("a@example.com")).await.data(StatusCode::CREATED);
    let again = api.post_from(GUESSER, REGISTER, registration("a@example.com")).await;
    again.error(StatusCode::CONFLICT, "CONFLICT");
    assert_eq!(must_wait(&api.post_from(GUESSER, REGISTER, registration("b@example.com")).await), 1800);
    let wrong = api.post_from(VICTIM, REGISTER, json!({ "email": "b@example.com" })).await;
    wrong.error(StatusCode::BAD_REQUEST, "VALIDATION_ERROR");
    api.post_from(VICTIM, REGISTER, registration("b@example.com")).await.data(StatusCode::CREATED);
    assert_eq!(must_wait(&api.post_from([192, 0, 2, 3], REGISTER, registration("c@example.com")).await), 1200);
    api.post_from(GUESSER, LOGIN, login("a@example.com", "correct horse")).await.data(StatusCode::OK);
}

#[tokio::test]
async fn an_installation_is_open_until_there_is_a_tenant() {
    let setup = Setup::default();
    assert_eq!(setup.accounts.registration_open, RegistrationOpen::First);
    let api = Api::exactly(setup).await;
    let twins = futures::future::join_all(
        (0..4).map(|n| api.post_from([192, 0, 2, n], REGISTER, registration(&format!("ada{n}@example.com")))),
    );
    let mut statuses: Vec<_> = twins.await.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 403, 403, 403]);
    api.register("eve@example.com").await.error(StatusCode::FORBIDDEN, "FORBIDDEN");
}

#[tokio::test]
async fn whoever_is_past_a_limit_waits_for_the_refusal_and_nobody_else_does() {
    let pause = Duration::from_millis(300);
    let config =
        ApiConfig { open_requests_per_minute: NonZeroU32::new(1), refusal_pause: pause, ..ApiConfig::default() };
    let api = Api::exactly(Setup { api: config, ..Setup::default() }).await;
    let version =
        |address| api.send_from(address, request(Method::GET, "/api/version", Credential::None, Body::empty()));
    version(GUESSER).await.data(StatusCode::OK);
    let started = std::time::Instant::now();
    let refused = async {
        must_wait(&version(GUESSER).await);
        started.elapsed()
    };
    let other = async {
        version([192, 0, 2, 77]).await.data(StatusCode::OK);
        started.elapsed()
    };
    let (refused, other) = futures::join!(refused, other);
    assert!(refused >= pause, "{refused:?}");
    assert!(other < refused, "{other:?} {refused:?}");
}

#[tokio::test]
async fn open_routes_are_limited_by_address_before_anything_is_read_and_others_are_served() {
    let config = ApiConfig { open_requests_per_minute: NonZeroU32::new(6), ..ApiConfig::default() };
    let api = Api::with(Setup { api: config, ..Setup::default() }).await;
    for path in ["/api/version", "/api/openapi.json", "/api/docs/", "/api/v1/version", "/api/docs/swagger-ui.css"] {
        let answer = api.send_from(GUESSER, request(Method::GET, path, Credential::None, Body::empty())).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
    }
    api.post_from(GUESSER, REFRESH, json!({})).await.error(StatusCode::BAD_REQUEST, "VALIDATION_ERROR");
    for path in ["/api/version", "/api/openapi.json", "/api/docs/", "/api/v1/docs/"] {
        let refused = api.send_from(GUESSER, request(Method::GET, path, Credential::None, Body::empty())).await;
        assert_eq!(must_wait(&refused), 10, "{path}");
    }
    for path in [REGISTER, LOGIN, REFRESH] {
        // A body that never comes: who waits for it hangs.
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        let body = Body::from_stream(futures::stream::pending::<Result<axum::body::Bytes, std::io::Error>>());
        must_wait(&api.send_from(GUESSER, request.body(body).unwrap()).await);
    }
    let healthy = |path| request(Method::GET, path, Credential::None, Body::empty());
    api.send_from(GUESSER, healthy("/health/live")).await.data(StatusCode::OK);
    api.send_from(GUESSER, healthy("/health/ready")).await.data(StatusCode::OK);
    api.post_from(VICTIM, REGISTER, registration("ada@example.com")).await.data(StatusCode::CREATED);
}

#[tokio::test]
async fn past_the_limit_of_wrong_credentials_only_known_ones_pass() {
    let accounts = AccountsConfig {
        refused_credentials_per_minute: NonZeroU32::new(4),
        operator_token: Some(OPERATOR.into()),
        ..AccountsConfig::default()
    };
    let api = Api::with(Setup { accounts, ..Setup::default() }).await;
    let [known, unknown]: [Account; 2] = [api.account().await, api.account().await];
    // Whoever uses a credential from there is known.
    api.send_from(GUESSER, by_key(&known.key)).await.data(StatusCode::OK);
    for number in 0..2 {
        let answer = api.send_from(GUESSER, by_key(&unknown_key(number))).await;
        answer.error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
    }
    let forged = format!("{}x", known.token);
    api.send_from(GUESSER, by_token("/api/messages", &forged)).await.error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
    let wrong = api.post_from(GUESSER, REFRESH, json!({ "refreshToken": format!("awr_{:043}", 1) })).await;
    wrong.error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");

    must_wait(&api.send_from(GUESSER, by_key(&unknown_key(9))).await);
    must_wait(&api.send_from(GUESSER, by_token("/api/messages", &forged)).await);
    must_wait(&api.send_from(GUESSER, by_token("/api/operator/whatsapp-version", "wrong")).await);
    must_wait(&api.post_from(GUESSER, REFRESH, json!({ "refreshToken": "awr_nobody" })).await);
    api.send_from(GUESSER, by_key(&known.key)).await.data(StatusCode::OK);
    api.send_from(GUESSER, by_token("/api/messages", &known.token)).await.data(StatusCode::OK);
    let operator = by_token("/api/operator/whatsapp-version", OPERATOR);
    api.send_from(GUESSER, operator).await.data(StatusCode::OK);
    // It was never used, but made in this process, which knows it from the start.
    api.send_from(GUESSER, by_key(&unknown.key)).await.data(StatusCode::OK);
    api.send_from(VICTIM, by_key(&unknown.key)).await.data(StatusCode::OK);
    api.send_from(VICTIM, by_key(&unknown_key(9))).await.error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
    api.clock.advance(Duration::from_mins(1));
    api.send_from(GUESSER, by_key(&unknown_key(9))).await.error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
}

#[tokio::test]
async fn an_expired_token_and_a_missing_one_are_not_counted() {
    let accounts = AccountsConfig { refused_credentials_per_minute: NonZeroU32::new(1), ..AccountsConfig::default() };
    let api = Api::with(Setup { accounts, ..Setup::default() }).await;
    let account = api.account().await;
    api.clock.advance(Duration::from_mins(15));
    for _ in 0..5 {
        let expired = api.send_from(GUESSER, by_token("/api/messages", &account.token)).await;
        expired.error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
        let missing = request(Method::GET, "/api/messages", Credential::None, Body::empty());
        api.send_from(GUESSER, missing).await.error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
    }
}
