//! What a session says of itself when WhatsApp refuses it, drops it or falls silent; and that it comes back.

use std::time::{Duration, Instant};

use anyhow::Result;
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use waypost_tests::{Client, Credential, Database, Setup, eventually_or_tell};

use super::{FRIEND, GATEWAY, stage::Stage};

const OPERATOR: &str = "the-operators-token-for-the-tests-0001";

async fn stage(database: Database) -> Result<Stage> {
    Stage::with(Setup::on(database).with("WAYPOST_OPERATOR_TOKEN", OPERATOR)).await
}

impl Stage {
    /// The simulator misbehaves towards the session from its next login on, and ends the connection.
    async fn refuse_logins(&self, mut fault: Value) {
        fault["pn"] = GATEWAY.into();
        self.simulator.ask("network/faults", &fault).await;
        self.simulator.ask("network/close", &json!({"pn": GATEWAY})).await;
    }

    async fn wait_error(&self, code: &str) -> Value {
        eventually_or_tell(&format!("the error {code}"), async || {
            let session = self.ada.session(&self.session).await;
            if session["lastError"]["code"] == code { Ok(session) } else { Err(session.to_string()) }
        })
        .await
    }

    fn operator(&self) -> Client {
        self.server.client().with(Credential::Bearer(OPERATOR.to_owned()))
    }

    async fn can_send(&self) {
        let id = self.ada.send_text(&self.session, FRIEND, "back again").await;
        self.ada.wait_message(&id, "sent").await;
    }
}

#[rstest]
#[tokio::test]
async fn a_banned_session_says_until_when_and_is_not_connected_before_not_even_by_a_restart(
    #[values(Database::Sqlite, Database::Postgres)] database: Database,
) -> Result<()> {
    let mut stage = stage(database).await?;
    stage.refuse_logins(json!({"kind": "failure", "reason": 402, "code": 101, "expire": 3600})).await;
    let session = stage.ada.wait_session(&stage.session, "restricted").await;
    let until = session["lastError"]["until"].as_str().expect("a ban has an end").to_owned();
    assert_eq!(session["lastError"]["retryAt"], until.as_str(), "{session}");
    stage.simulator.forget_logins().await;
    stage.server.restart().await?;
    let answer = stage.ada.person.post(&format!("/api/v1/whatsapp/{}/connect", stage.session), &json!({})).await;
    assert!(answer.body["message"].as_str().is_some_and(|why| why.contains(&until)), "{}", answer.body);
    assert_eq!(answer.failure(409), "CONFLICT");
    assert_eq!(stage.ada.session(&stage.session).await["status"], "restricted");
    assert_eq!(stage.simulator.logins(GATEWAY).await, 0, "nobody asked WhatsApp again");
    Ok(())
}

#[tokio::test]
async fn a_single_401_costs_no_credentials() -> Result<()> {
    let stage = stage(Database::Sqlite).await?;
    stage.refuse_logins(json!({"kind": "failure", "reason": 401, "times": 1})).await;
    let doubted = stage.wait_error("CONNECTION_LOST").await;
    assert_ne!(doubted["status"], "connected", "{doubted}");
    let back = stage.ada.wait_session(&stage.session, "connected").await;
    assert!(back["lastError"].is_null() && back["phoneNumber"] == GATEWAY, "{back}");
    stage.can_send().await;
    Ok(())
}

#[rstest]
#[tokio::test]
async fn a_replaced_session_stays_away_across_a_restart_and_connect_takes_over(
    #[values(Database::Sqlite, Database::Postgres)] database: Database,
) -> Result<()> {
    let mut stage = stage(database).await?;
    stage.simulator.ask("network/stream-error", &json!({"pn": GATEWAY, "conflict": "replaced"})).await;
    stage.ada.wait_session(&stage.session, "replaced").await;
    stage.simulator.forget_logins().await;
    stage.server.restart().await?;
    assert_eq!(stage.ada.session(&stage.session).await["lastError"]["code"], "REPLACED");
    assert_eq!(stage.simulator.logins(GATEWAY).await, 0);
    stage.ada.connect(&stage.session).await;
    stage.ada.wait_session(&stage.session, "connected").await;
    stage.can_send().await;
    Ok(())
}

#[rstest]
#[tokio::test]
async fn a_new_version_set_at_runtime_brings_outdated_sessions_back(
    #[values(Database::Sqlite, Database::Postgres)] database: Database,
) -> Result<()> {
    let mut stage = stage(database).await?;
    stage.simulator.ask("min-version", &json!({"version": "2.3000.4000000000"})).await;
    stage.simulator.ask("network/close", &json!({"pn": GATEWAY})).await;
    let outdated = stage.ada.wait_session(&stage.session, "client_outdated").await;
    assert_eq!(outdated["lastError"]["code"], "CLIENT_OUTDATED");
    assert_eq!(outdated["phoneNumber"], GATEWAY, "the credentials are kept");

    let path = "/api/operator/whatsapp-version";
    let version = json!({"version": "2.3000.4000000001"});
    for client in [stage.ada.person.clone(), stage.ada.server.clone()] {
        let answer = client.send(client.request(Method::PUT, path).json(&version)).await;
        assert_eq!(answer.failure(401), "UNAUTHORIZED", "a tenant is no operator");
    }
    let operator = stage.operator();
    operator.send(operator.request(Method::PUT, path).json(&version)).await.expect(200);
    stage.ada.wait_session(&stage.session, "connected").await;
    stage.can_send().await;

    stage.server.restart().await?;
    assert_eq!(stage.operator().get(path).await.data()["version"], "2.3000.4000000001");
    stage.ada.wait_session(&stage.session, "connected").await;
    Ok(())
}

#[rstest]
#[case::silent_socket(json!({"kind": "silence", "pong": true}), true)]
#[case::deaf_login(json!({"kind": "deafLogin"}), false)]
#[tokio::test]
async fn within_a_minute_a_session_to_which_nobody_speaks_is_not_connected_and_says_why(
    #[case] mut fault: Value,
    #[case] connected_at_first: bool,
) -> Result<()> {
    let stage = stage(Database::Sqlite).await?;
    fault["pn"] = GATEWAY.into();
    stage.simulator.ask("network/faults", &fault).await;
    if !connected_at_first {
        stage.simulator.ask("network/close", &json!({"pn": GATEWAY})).await;
    }
    let since = Instant::now();
    eventually_or_tell("a session that says why it is not connected", async || {
        let session = stage.ada.session(&stage.session).await;
        let why = session["lastError"]["message"].as_str().unwrap_or_default();
        let told = why.contains("answer") || why.contains("delivered nothing");
        if session["status"] != "connected" && told { Ok(()) } else { Err(session.to_string()) }
    })
    .await;
    assert!(since.elapsed() < Duration::from_mins(1));
    stage.simulator.clear_network().await;
    // A login that was swallowed before this would be waited for.
    stage.simulator.ask("network/close", &json!({"pn": GATEWAY})).await;
    let back = stage.ada.wait_session(&stage.session, "connected").await;
    assert!(back["lastError"].is_null(), "{back}");
    stage.can_send().await;
    Ok(())
}
