use std::{net::SocketAddr, num::NonZeroU32, time::Duration};

use axum::{extract::ConnectInfo, http::StatusCode};
use serde_json::json;
use waypost_accounts::{AccountsConfig, LoginLimits, RegistrationOpen};
use waypost_api::{ApiConfig, TrustedProxies};

use crate::support::{Api, Credential, Setup, string};

#[tokio::test]
async fn registering_makes_a_tenant_its_owner_and_a_login() {
    let api = Api::start().await;
    let answer = api.register("Ada@Example.com ").await;
    let data = answer.data(StatusCode::CREATED);
    insta::assert_json_snapshot!(answer.json(), {
        ".data.accessToken" => "[token]", ".data.refreshToken" => "[token]", ".data.user.id" => "[id]", ".data.user.tenantId" => "[id]",
    });
    let token = string(&data["accessToken"]);
    let me = api.get("/api/auth/me", Credential::Token(&token)).await;
    me.data(StatusCode::OK);
    insta::assert_json_snapshot!("me", me.json(), {
        ".data.user.id" => "[id]", ".data.user.tenantId" => "[id]", ".data.tenant.id" => "[id]",
    });
}

#[tokio::test]
async fn a_used_email_is_a_conflict_in_any_spelling() {
    let api = Api::start().await;
    api.register("ada@example.com").await.data(StatusCode::CREATED);
    api.register(" ADA@example.com").await.error(StatusCode::CONFLICT, "CONFLICT");
}

#[tokio::test]
async fn a_closed_installation_registers_nobody() {
    let accounts = AccountsConfig { registration_open: RegistrationOpen::No, ..AccountsConfig::default() };
    let api = Api::with(Setup { accounts, ..Setup::default() }).await;
    api.register("ada@example.com").await.error(StatusCode::FORBIDDEN, "FORBIDDEN");
    api.login("ada@example.com", "correct horse").await.error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
}

#[tokio::test]
async fn an_unknown_email_and_a_wrong_password_are_one_answer() {
    let api = Api::start().await;
    let account = api.account().await;
    let wrong = api.login(&account.email, "wrong horse").await.error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
    let unknown = api.login("eve@example.com", "correct horse").await.error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
    assert_eq!(wrong, unknown);
    let data = api.login(&account.email.to_uppercase(), "correct horse").await.data(StatusCode::OK);
    let token = string(&data["accessToken"]);
    api.get("/api/auth/me", Credential::Token(&token)).await.data(StatusCode::OK);
}

#[tokio::test]
async fn logging_out_ends_this_login_at_once_and_no_other() {
    let api = Api::start().await;
    let account = api.account().await;
    let other = api.login(&account.email, "correct horse").await.data(StatusCode::OK);
    let other = string(&other["accessToken"]);

    api.get("/api/auth/me", account.person()).await.data(StatusCode::OK);
    api.post("/api/auth/logout", account.person(), json!({})).await.data(StatusCode::OK);
    api.get("/api/auth/me", account.person()).await.error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
    let refresh = json!({ "refreshToken": account.refresh_token });
    api.post("/api/auth/refresh", Credential::None, refresh).await.error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
    api.get("/api/auth/me", Credential::Token(&other)).await.data(StatusCode::OK);
}

#[tokio::test]
async fn a_refresh_token_works_once_and_its_second_use_ends_the_login() {
    let api = Api::start().await;
    let account = api.account().await;
    let refresh = |token: String| {
        let api = &api;
        async move { api.post("/api/auth/refresh", Credential::None, json!({ "refreshToken": token })).await }
    };
    let first = refresh(account.refresh_token.clone()).await.data(StatusCode::OK);
    let (token, next) = (string(&first["accessToken"]), string(&first["refreshToken"]));
    assert_ne!(next, account.refresh_token);
    api.get("/api/auth/me", Credential::Token(&token)).await.data(StatusCode::OK);

    refresh(account.refresh_token.clone()).await.error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
    refresh(next).await.error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
    api.get("/api/auth/me", Credential::Token(&token)).await.error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
    api.get("/api/auth/me", account.person()).await.error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
    refresh("awr_nobody".into()).await.error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
}

#[tokio::test]
async fn of_two_twins_with_one_refresh_token_one_is_served() {
    let api = Api::start().await;
    let account = api.account().await;
    let body = json!({ "refreshToken": account.refresh_token });
    let (a, b) = tokio::join!(
        api.post("/api/auth/refresh", Credential::None, body.clone()),
        api.post("/api/auth/refresh", Credential::None, body),
    );
    let mut statuses = [a.status.as_u16(), b.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401]);
}

#[tokio::test]
async fn tokens_expire() {
    let api = Api::start().await;
    let account = api.account().await;
    api.clock.advance(Duration::from_mins(15));
    api.get("/api/auth/me", account.person()).await.error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
    let refresh = json!({ "refreshToken": account.refresh_token });
    let next = api.post("/api/auth/refresh", Credential::None, refresh).await.data(StatusCode::OK);
    api.clock.advance(Duration::from_hours(24 * 31));
    let refresh = json!({ "refreshToken": next["refreshToken"] });
    api.post("/api/auth/refresh", Credential::None, refresh).await.error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
}

#[tokio::test]
async fn guessing_from_one_address_is_slowed_down_even_if_a_proxy_names_it() {
    let proxies = TrustedProxies { networks: vec!["10.0.0.0/8".parse().unwrap()], ..TrustedProxies::default() };
    let login_limits = LoginLimits { failures_per_minute: NonZeroU32::new(1), ..LoginLimits::default() };
    let accounts = AccountsConfig { login_limits, ..AccountsConfig::default() };
    let config = ApiConfig { proxies, ..ApiConfig::default() };
    let api = Api::with(Setup { accounts, api: config, ..Setup::default() }).await;
    let login = |number: u32, from: &'static str| {
        let body = json!({ "email": format!("ada{number}@example.com"), "password": "wrong" }).to_string();
        let request = axum::http::Request::post("/api/auth/login")
            .header("content-type", "application/json")
            .header("x-forwarded-for", from)
            .extension(ConnectInfo(SocketAddr::from(([10, 0, 0, 1], 40_000))));
        api.send(request.body(body.into()).unwrap())
    };
    assert_eq!(login(1, "192.0.2.1").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(login(2, "192.0.2.1").await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(login(3, "192.0.2.1, 192.0.2.2").await.status, StatusCode::UNAUTHORIZED);
}
