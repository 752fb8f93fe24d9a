//! `/api/auth`: how a person gets in, stays in, and is thrown out.

use anyhow::Result;
use rstest::rstest;
use serde_json::{Value, json};
use waypost_tests::{Client, Credential, Database, Setup, Tenant, Waypost};

fn token(data: &Value, name: &str) -> String {
    data[name].as_str().unwrap_or_else(|| panic!("no {name} in {data}")).to_owned()
}

async fn refresh(client: &Client, token: &str) -> waypost_tests::Answer {
    client.post("/api/auth/refresh", &json!({"refreshToken": token})).await
}

#[rstest]
#[tokio::test]
async fn a_person_registers_logs_in_and_is_known(
    #[values(Database::Sqlite, Database::Postgres)] database: Database,
) -> Result<()> {
    let server = Waypost::start(Setup::on(database)).await?;
    let ada = server.register("ada").await?;
    assert_eq!(ada.registered["user"]["email"], "ada@example.com");
    assert_eq!(ada.registered["user"]["role"], "owner");

    let body = json!({"email": ada.email, "password": Tenant::PASSWORD});
    let login = server.client().post("/api/auth/login", &body).await.expect(200).data();
    assert_eq!(login["user"], ada.registered["user"]);

    let person = server.client().with(Credential::Bearer(token(&login, "accessToken")));
    let me = person.get("/api/auth/me").await.expect(200).data();
    assert!(me.to_string().contains("ada@example.com"), "{me}");
    Ok(())
}

#[tokio::test]
async fn a_used_email_is_a_conflict() -> Result<()> {
    let server = Waypost::start(Setup::on(Database::Sqlite)).await?;
    server.register("ada").await?;
    let body = json!({"name": "x", "email": "ADA@example.com", "password": Tenant::PASSWORD, "businessName": "x"});
    assert_eq!(server.client().post("/api/auth/register", &body).await.failure(409), "CONFLICT");
    Ok(())
}

#[tokio::test]
async fn an_unknown_email_and_a_wrong_password_get_the_same_answer() -> Result<()> {
    let server = Waypost::start(Setup::on(Database::Sqlite)).await?;
    server.register("ada").await?;
    let mut answers = Vec::new();
    for email in ["ada@example.com", "nobody@example.com"] {
        let body = json!({"email": email, "password": "not the password at all"});
        let mut answer = server.client().post("/api/auth/login", &body).await.expect(401).body;
        answer["requestId"].take();
        answers.push(answer);
    }
    assert_eq!(answers[0], answers[1]);
    Ok(())
}

#[rstest]
#[tokio::test]
async fn a_stolen_refresh_token_ends_the_whole_family(
    #[values(Database::Sqlite, Database::Postgres)] database: Database,
) -> Result<()> {
    let server = Waypost::start(Setup::on(database)).await?;
    let ada = server.register("ada").await?;
    let first = token(&ada.registered, "refreshToken");

    let second = token(&refresh(server.client(), &first).await.expect(200).data(), "refreshToken");
    assert_ne!(first, second, "a refresh token is used once");
    let third = token(&refresh(server.client(), &second).await.expect(200).data(), "refreshToken");

    // Somebody uses the old one again: the thief or the owner, nobody knows, so both are out.
    assert_eq!(refresh(server.client(), &first).await.failure(401), "UNAUTHORIZED");
    assert_eq!(refresh(server.client(), &third).await.failure(401), "UNAUTHORIZED");

    let body = json!({"email": ada.email, "password": Tenant::PASSWORD});
    let login = server.client().post("/api/auth/login", &body).await.expect(200).data();
    refresh(server.client(), &token(&login, "refreshToken")).await.expect(200);
    Ok(())
}

#[tokio::test]
async fn logging_out_ends_the_refresh_family() -> Result<()> {
    let server = Waypost::start(Setup::on(Database::Sqlite)).await?;
    let ada = server.register("ada").await?;
    let out = ada.person.post("/api/auth/logout", &json!({})).await;
    assert!(out.status.is_success(), "{:?}", out.body);
    assert_eq!(refresh(server.client(), &token(&ada.registered, "refreshToken")).await.failure(401), "UNAUTHORIZED");
    Ok(())
}

#[tokio::test]
async fn a_login_outlives_a_restart() -> Result<()> {
    let mut server = Waypost::start(Setup::on(Database::Sqlite)).await?;
    let ada = server.register("ada").await?;
    server.restart().await?;
    ada.person.get("/api/auth/me").await.expect(200);
    refresh(server.client(), &token(&ada.registered, "refreshToken")).await.expect(200);
    Ok(())
}
