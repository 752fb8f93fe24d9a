//! The process is killed: what it promised is on disk.

use anyhow::Result;
use rstest::rstest;
use serde_json::json;
use waypost_tests::{Database, Setup, Tenant, Waypost, eventually};

/// What was accepted when the server is killed: enough that some were sent, some were not.
const BEFORE_THE_END: usize = 40;

#[rstest]
#[tokio::test]
async fn what_was_accepted_is_on_disk_when_the_server_is_killed(
    #[values(Database::Sqlite, Database::Postgres)] database: Database,
) -> Result<()> {
    let mut server = Waypost::start(Setup::on(database)).await?;
    let ada = server.register("ada").await?;
    let session = ada.sandbox().await;

    let (accepted, mut ids) = tokio::sync::mpsc::unbounded_channel();
    let (client, target) = (ada.server.clone(), session.clone());
    let sender = tokio::spawn(async move {
        for n in 0.. {
            let body =
                json!({"sessionId": target, "to": format!("91987654{:04}", n % 7), "text": format!("message {n}")});
            let request = client.request(reqwest::Method::POST, "/api/external/messages/send-text").json(&body);
            match client.try_send(request).await {
                Ok(answer) => {
                    let id = answer.expect(200).data()["id"].as_str().expect("an id").to_owned();
                    if accepted.send(id).is_err() {
                        return;
                    }
                }
                // The server is dead: what got no answer was promised nothing.
                Err(_) => return,
            }
        }
    });
    let mut kept = Vec::new();
    while kept.len() < BEFORE_THE_END {
        kept.push(ids.recv().await.expect("the server accepts messages until it is killed"));
    }
    server.crash_and_restart().await?;
    sender.await?;
    while let Ok(id) = ids.try_recv() {
        kept.push(id);
    }

    for id in &kept {
        let message = eventually("every accepted message to be sent", async || {
            let message = ada.message(id).await;
            ["sent", "delivered", "read"].contains(&message["status"].as_str()?).then_some(message)
        })
        .await;
        let timeline = Tenant::timeline(&message);
        assert_eq!(timeline.iter().filter(|status| *status == "sent").count(), 1, "{timeline:?}");
    }
    Ok(())
}

#[rstest]
#[tokio::test]
async fn a_message_without_an_acknowledgement_survives_the_crash_and_is_sent_again(
    #[values(Database::Sqlite, Database::Postgres)] database: Database,
) -> Result<()> {
    // Time enough to die between the send and its acknowledgement.
    let slow = [("ACK", "5s"), ("DELIVERED", "6s"), ("READ", "7s")];
    let setup = slow
        .into_iter()
        .fold(Setup::on(database), |setup, (step, delay)| setup.with(&format!("WAYPOST_SANDBOX_{step}_DELAY"), delay));
    let mut server = Waypost::start(setup).await?;
    let ada = server.register("ada").await?;
    let session = ada.sandbox().await;
    let id = ada.send_text(&session, "919876543210", "in doubt").await;
    ada.wait_message(&id, "sending").await;
    server.crash_and_restart().await?;
    // The acknowledgement died with the server.
    let read = ada.wait_message(&id, "read").await;
    let timeline = Tenant::timeline(&read);
    assert_eq!(timeline.iter().filter(|status| *status == "sent").count(), 1, "{timeline:?}");
    Ok(())
}
