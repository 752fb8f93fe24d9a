//! Pacing, measured where it counts: at the simulator, whose phones say when each message reached the server.

use std::time::{Duration, Instant};

use anyhow::Result;
use rstest::rstest;
use serde_json::json;
use waypost_tests::{Database, Setup, Simulator, Waypost};

use super::GATEWAY;

/// Two windows of a minute, the wait after a kill, and a slow machine.
const PATIENCE: Duration = Duration::from_mins(4);
const PER_MINUTE: usize = 5;
const STRANGERS_PER_MINUTE: usize = 2;
const FRIENDS: [&str; 4] = ["15551230011", "15551230012", "15551230013", "15551230014"];

/// All that is shown on the phones: when it reached the server, in seconds, and to whom.
async fn shown(simulator: &Simulator) -> Vec<(u64, usize, String)> {
    let mut shown = Vec::new();
    for (friend, number) in FRIENDS.iter().enumerate() {
        shown.extend(simulator.arrivals_on_phone(number).await.into_iter().map(|(at, text)| (at, friend, text)));
    }
    shown.sort_unstable();
    shown
}

async fn until_shown(simulator: &Simulator, count: usize) -> Vec<(u64, usize, String)> {
    let begun = Instant::now();
    loop {
        let shown = shown(simulator).await;
        if shown.len() >= count {
            return shown;
        }
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {count} messages: {shown:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The most in any 60 seconds. The server's times are whole seconds: what is less than 60 of them apart may be a minute
/// apart, so this counts too many rather than too few.
fn most(times: &[u64]) -> usize {
    let within = |begin: &u64| times.iter().filter(|at| (*begin..begin + 60).contains(*at)).count();
    times.iter().map(within).max().unwrap_or_default()
}

#[rstest]
#[tokio::test]
async fn no_minute_at_the_simulator_holds_more_than_the_limit_through_a_kill_and_a_lost_acknowledgement(
    #[values(Database::Sqlite, Database::Postgres)] database: Database,
) -> Result<()> {
    let simulator = Simulator::start().await?;
    for number in FRIENDS {
        simulator.add_account(number).await;
    }
    let setup = Setup::on(database).with("WAYPOST_ACK_TIMEOUT", "3s").talking_to(&simulator);
    let mut server = Waypost::start(setup).await?;
    let ada = server.register("ada").await?;
    let session = ada.link(&simulator, GATEWAY).await;
    let pacing = json!({"pacing": {"perMinute": PER_MINUTE, "firstContactPerMinute": STRANGERS_PER_MINUTE,
        "jitterMs": 200}});
    let change = ada.person.request(reqwest::Method::PATCH, &format!("/api/v1/whatsapp/{session}")).json(&pacing);
    ada.person.send(change).await.expect(200);

    // The acknowledgement of the first message is lost: it goes out again, and counts again.
    simulator.add_fault(&json!({"kind": "withholdAck", "to": FRIENDS[0], "times": 1})).await;
    let mut ids = Vec::new();
    for round in 0..2 {
        for number in FRIENDS {
            ids.push(ada.send_text(&session, number, &format!("{round}")).await);
        }
    }
    until_shown(&simulator, 2).await;
    server.crash_and_restart().await?;
    let shown = until_shown(&simulator, ids.len()).await;

    let times: Vec<u64> = shown.iter().map(|(at, ..)| *at).collect();
    assert!(most(&times) <= PER_MINUTE, "{shown:?}");
    let first: Vec<u64> = shown.iter().filter(|(.., text)| text == "0").map(|(at, ..)| *at).collect();
    assert!(most(&first) <= STRANGERS_PER_MINUTE, "{shown:?}");
    for friend in 0..FRIENDS.len() {
        let texts: Vec<_> = shown.iter().filter(|(_, to, _)| *to == friend).map(|(.., text)| text.as_str()).collect();
        assert_eq!(texts, ["0", "1"]);
    }
    for id in &ids {
        ada.wait_message(id, "sent").await;
    }
    Ok(())
}

#[rstest]
#[tokio::test]
async fn a_refused_stranger_pauses_strangers_alone_and_says_until_when(
    #[values(Database::Sqlite, Database::Postgres)] database: Database,
) -> Result<()> {
    let simulator = Simulator::start().await?;
    for number in FRIENDS {
        simulator.add_account(number).await;
    }
    let server = Waypost::start(Setup::on(database).talking_to(&simulator)).await?;
    let ada = server.register("ada").await?;
    let session = ada.link(&simulator, GATEWAY).await;
    let path = format!("/api/v1/whatsapp/{session}");
    let patch = async |pacing| {
        let change = ada.person.request(reqwest::Method::PATCH, &path).json(&json!({ "pacing": pacing }));
        ada.person.send(change).await.expect(200).data()
    };
    patch(json!({"firstContactPauseSeconds": 3600})).await;
    let known = ada.send_text(&session, FRIENDS[0], "hello").await;
    ada.wait_message(&known, "sent").await;
    simulator.add_fault(&json!({"kind": "nack", "code": 463, "to": FRIENDS[1], "times": 1})).await;
    let refused = ada.send_text(&session, FRIENDS[1], "hello").await;
    let failed = ada.wait_message(&refused, "failed").await;
    assert_eq!(failed["error"]["code"], "REACH_OUT_LIMITED", "{failed}");

    let stranger = ada.send_text(&session, FRIENDS[2], "hello").await;
    let again = ada.send_text(&session, FRIENDS[0], "still there?").await;
    ada.wait_message(&again, "sent").await;
    assert_eq!(ada.message(&stranger).await["status"], "queued");
    let paused = ada.session(&session).await;
    assert!(paused["pacing"]["firstContactPausedUntil"].is_string(), "{paused}");
    assert_eq!(paused["pacing"]["firstContactPauseReason"], "REACH_OUT_LIMITED");

    let ended = patch(json!({"firstContactPausedUntil": null})).await;
    assert!(ended["pacing"]["firstContactPausedUntil"].is_null(), "{ended}");
    ada.wait_message(&stranger, "sent").await;
    Ok(())
}
