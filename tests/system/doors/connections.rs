//! A server that is full, of connections or of files.

use anyhow::Result;
use tokio::net::TcpStream;
use waypost_tests::{Client, Credential, Database, Setup, Waypost, eventually};

/// Opens connections to the server and says nothing on them.
async fn crowd(server: &Waypost, connections: usize) -> Result<Vec<TcpStream>> {
    let address = server.client().base.trim_start_matches("http://").to_owned();
    let mut crowd = Vec::new();
    for _ in 0..connections {
        crowd.push(TcpStream::connect(&address).await?);
    }
    Ok(crowd)
}

#[tokio::test]
async fn a_server_full_of_silent_connections_tells_its_health_and_is_free_again_soon() -> Result<()> {
    let server = Waypost::start(Setup::on(Database::Sqlite).with("WAYPOST_MAX_CONNECTIONS_PER_ADDRESS", "8")).await?;
    let _crowd = crowd(&server, 9).await?;
    // The server's own client has a connection still.
    let late = Client::new(server.client().base.clone(), Credential::None)?;
    let refused = late.get("/api/version").await;
    assert_eq!(refused.headers["retry-after"], "2");
    assert_eq!(refused.failure(503), "NOT_READY");
    late.get("/health/ready").await.expect(200);
    eventually("the server to close the silent connections", async || {
        late.get("/api/version").await.status.is_success().then_some(())
    })
    .await;
    Ok(())
}

#[tokio::test]
async fn few_files_mean_few_connections_and_never_a_server_that_cannot_open_its_database() -> Result<()> {
    let setup = Setup::on(Database::Sqlite)
        .after("ulimit -S -n 64; ulimit -H -n 300")
        .with("WAYPOST_MAX_CONNECTIONS_PER_ADDRESS", "0");
    let server = Waypost::start(setup).await?;
    let log = server.log();
    assert!(log.contains("fewer HTTP connections than max_connections"), "{log}");
    assert!(log.contains("descriptors=300"), "the limit was not raised: {log}");
    let _crowd = crowd(&server, 400).await?;
    let late = Client::new(server.client().base.clone(), Credential::None)?;
    eventually("a place for a client", async || {
        let answer = late.try_send(late.request(reqwest::Method::GET, "/api/version")).await;
        answer.ok().filter(|answer| answer.status.is_success())
    })
    .await;
    // It writes to the database, which opens files.
    server.register("ada").await?;
    assert!(!server.log().contains("cannot accept a connection"), "{}", server.log());
    Ok(())
}
