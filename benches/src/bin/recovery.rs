//! From SIGKILL until every session is connected again and a backlog moves: its first and its last message acknowledged.
//!
//! The backlog is accepted while the network is away, so that all of it is queued when the process is killed.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::json;
use waypost_benches::{Server, Simulator, stats::median};

/// SIGKILL to connected, and to a backlog that moves.
#[derive(Debug, Parser)]
struct Args {
    /// Sessions.
    #[arg(long, default_value_t = 200)]
    sessions: usize,
    /// Messages that wait.
    #[arg(long, default_value_t = 10_000)]
    backlog: usize,
    /// Rounds.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// `postgres://…` instead of the embedded database.
    #[arg(long)]
    database_url: Option<String>,
}

/// Between two looks: what is measured is right to this.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(3);
/// Concurrent requests.
const CONNECTIONS: usize = 64;
/// The recipients.
const RECIPIENTS: usize = 20;
/// Where nobody listens.
const NOWHERE: &str = "ws://127.0.0.1:9/ws/chat";

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let simulator = Simulator::start().await?;
    let url = simulator.socket_url();
    let mut settings = vec![("WAYPOST_RATE_LIMIT_PER_MINUTE", "0"), ("WAYPOST_ACCESS_TOKEN_LIFE", "1d")];
    if let Some(url) = &args.database_url {
        settings.push(("DATABASE_URL", url));
    }
    let with = |url| settings.iter().copied().chain([("WAYPOST_WHATSAPP_URL", url)]).collect::<Vec<_>>();
    let mut server = Server::start(&with(&url)).await?;
    for n in 0..RECIPIENTS {
        simulator.create_account(&recipient(n)).await?;
    }
    let mut sessions = Vec::new();
    for n in 0..args.sessions {
        sessions.push(server.link(&simulator, &format!("s{n}"), &format!("4915550{n:06}")).await?);
    }
    // Each session writes to its recipient once: what the first message of a chat costs is not what is measured.
    backlog(&server, &sessions, args.sessions).await?;
    wait(|| nothing_waits(&server)).await?;

    let (mut connected, mut first, mut last) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=args.rounds {
        server.kill().await?;
        server.start_again(&with(NOWHERE)).await?;
        let acknowledged = acknowledged(&server).await?;
        backlog(&server, &sessions, args.backlog).await?;

        let start = Instant::now();
        server.kill().await?;
        server.start_again(&with(&url)).await?;
        let since = || start.elapsed().as_secs_f64();
        let (all_connected, first_moves) = tokio::try_join!(
            async { wait(|| all_connected(&server, args.sessions)).await.map(|()| since()) },
            async { wait(async || Ok(self::acknowledged(&server).await? > acknowledged)).await.map(|()| since()) },
        )?;
        wait(|| nothing_waits(&server)).await?;
        connected.push(all_connected);
        first.push(first_moves);
        last.push(since());
        println!(
            "round {round}: {} sessions connected after {:.2} s, first of {} acknowledged after {:.2} s, last after {:.2} s",
            args.sessions,
            connected[round - 1],
            args.backlog,
            first[round - 1],
            last[round - 1]
        );
    }
    println!("median: connected {:.2} s, first {:.2} s, last {:.2} s", median(connected), median(first), median(last));
    Ok(())
}

fn recipient(n: usize) -> String {
    format!("4917770{n:06}")
}

/// Accepts so many messages, spread over the sessions and the recipients.
async fn backlog(server: &Server, sessions: &[String], messages: usize) -> Result<()> {
    let requests = (0..messages).map(|n| async move {
        let body =
            json!({"sessionId": sessions[n % sessions.len()], "to": recipient(n % RECIPIENTS), "text": "Hello!"});
        server.post("/api/messages/send-text", body).await.map(drop)
    });
    stream::iter(requests).buffer_unordered(CONNECTIONS).try_collect().await
}

async fn acknowledged(server: &Server) -> Result<u64> {
    Ok(server.count("sent").await? + server.count("delivered").await?)
}

async fn nothing_waits(server: &Server) -> Result<bool> {
    Ok(server.count("queued").await? + server.count("sending").await? == 0)
}

async fn all_connected(server: &Server, sessions: usize) -> Result<bool> {
    let mut connected = 0;
    for page in 1..=sessions.div_ceil(100) {
        let list = server.get(&format!("/api/v1/whatsapp?limit=100&page={page}")).await?;
        let list = list["data"].as_array().context("a list")?;
        connected += list.iter().filter(|session| session["status"] == "connected").count();
    }
    Ok(connected == sessions)
}

/// Waits until `done` says so.
async fn wait(done: impl AsyncFn() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !done().await? {
        ensure!(start.elapsed() < PATIENCE, "not there after {PATIENCE:?}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Ok(())
}
