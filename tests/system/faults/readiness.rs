//! `/health/ready` tells the truth, whatever the database does.

use anyhow::Result;
use rstest::rstest;
use sea_orm::{ConnectOptions, ConnectionTrait, Database as Connection};
use serde_json::json;
use waypost_tests::{Database, PostgresServer, Setup, Waypost, eventually};

#[cfg(feature = "wire-sim")]
use super::full_disk::{SMALL_DISK, can_mount, fill};

/// The sentence with which the server says that it is not ready.
async fn until_unready(server: &Waypost) -> String {
    eventually("the server to be unready", async || {
        let answer = server.client().get("/health/ready").await;
        (answer.status == 503).then(|| answer.body["message"].as_str().unwrap_or_default().to_owned())
    })
    .await
}

async fn until_ready(server: &Waypost) {
    eventually("the server to be ready", async || {
        server.client().get("/health/ready").await.status.is_success().then_some(())
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_server_whose_writer_cannot_commit_is_not_ready_until_it_can(
    #[values(Database::Sqlite, Database::Postgres)] database: Database,
) -> Result<()> {
    let postgres = PostgresServer::start().await?;
    let mut setup = Setup::on(Database::Sqlite).with("WAYPOST_MIN_FREE_DISK", "0MiB");
    if database == Database::Postgres {
        setup = setup.with("DATABASE_URL", &postgres.url());
    }
    let server = Waypost::start(setup).await?;
    // Another hand holds the lock that a writer needs.
    let (url, lock) = match database {
        Database::Sqlite => (format!("sqlite://{}/data/waypost.db", server.data_folder().display()), "BEGIN IMMEDIATE"),
        Database::Postgres => (postgres.url(), "SELECT pg_advisory_lock(9297679)"),
    };
    let holder = Connection::connect(ConnectOptions::new(url).max_connections(1).to_owned()).await?;
    holder.execute_unprepared(lock).await?;
    assert!(until_unready(&server).await.starts_with("The database does not commit"));
    holder.close().await?;
    until_ready(&server).await;
    Ok(())
}

#[cfg(feature = "wire-sim")]
#[tokio::test]
async fn a_disk_that_is_nearly_full_takes_no_new_message_and_is_said_to_be() -> Result<()> {
    if !can_mount().await {
        eprintln!("not tried: this machine does not let its users mount a file system in a name space of their own");
        return Ok(());
    }
    let setup = Setup::on(Database::Sqlite).with("WAYPOST_MIN_FREE_DISK", "4MiB").after(SMALL_DISK);
    let server = Waypost::start(setup).await?;
    let ada = server.register("ada").await?;
    let session = ada.create_session("idle", "sandbox").await;
    let before = ada.send_text(&session, "919876543210", "while there is room").await;
    // Past the mark, with room to write still.
    let filler = fill(&server, 3 * 1024 * 1024)?;
    assert!(until_unready(&server).await.starts_with("The server's disk has less than 4 MiB free"));
    let text = json!({ "sessionId": session, "to": "919876543210", "text": "no room" });
    assert_eq!(ada.server.post("/api/external/messages/send-text", &text).await.failure(503), "NOT_READY");
    // What makes room is still done.
    ada.server.post(&format!("/api/external/messages/{before}/cancel"), &json!({})).await.data();
    std::fs::remove_file(filler)?;
    until_ready(&server).await;
    ada.send_text(&session, "919876543210", "room again").await;
    Ok(())
}
