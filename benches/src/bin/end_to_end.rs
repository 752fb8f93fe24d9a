//! Texts a second from the accepted request to `delivered` in the row, through the simulator with real encryption,
//! beside a bare whatsapp-rust client in the same run.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use futures::{StreamExt, TryStreamExt, stream};
use waypost_benches::{Server, Simulator, bare::Bare, stats::median};

/// Accepted to delivered, beside a bare client.
#[derive(Debug, Parser)]
struct Args {
    /// Messages a round.
    #[arg(long, default_value_t = 10_000)]
    messages: usize,
    /// Rounds of each kind.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Concurrent requests.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// `postgres://…` instead of the embedded database.
    #[arg(long)]
    database_url: Option<String>,
}

/// The recipients: as many as sessions, so that every session has a chat of its own.
const RECIPIENTS: usize = 20;

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let simulator = Simulator::start().await?;
    let url = simulator.socket_url();
    let mut settings = vec![("WAYPOST_RATE_LIMIT_PER_MINUTE", "0"), ("WAYPOST_WHATSAPP_URL", url.as_str())];
    if let Some(url) = &args.database_url {
        settings.push(("DATABASE_URL", url));
    }
    let server = Server::start(&settings).await?;
    for n in 0..RECIPIENTS {
        simulator.create_account(&recipient(n)).await?;
    }
    let mut sessions = Vec::new();
    for n in 0..RECIPIENTS {
        sessions.push(server.link(&simulator, &format!("s{n}"), &format!("4915550{n:06}")).await?);
    }
    let bare = Bare::pair(&simulator, "4915559000000").await?;

    let (mut alone, mut one, mut twenty) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=args.rounds {
        alone.push(bare_round(&bare, &args).await?);
        one.push(gateway_round(&server, &sessions[..1], &args).await?);
        twenty.push(gateway_round(&server, &sessions, &args).await?);
        println!(
            "round {round}: bare client {:.0}/s, one session {:.0}/s, twenty sessions {:.0}/s",
            alone[round - 1],
            one[round - 1],
            twenty[round - 1]
        );
    }
    println!(
        "median: bare client {:.0}/s, one session {:.0}/s, twenty sessions {:.0}/s",
        median(alone),
        median(one),
        median(twenty)
    );
    println!(
        "processor seconds: waypost {:.1}, wa-sim {:.1}",
        server.child.cpu_seconds()?,
        simulator.child.cpu_seconds()?
    );
    Ok(())
}

fn recipient(n: usize) -> String {
    format!("4917770{n:06}")
}

async fn bare_round(bare: &Bare, args: &Args) -> Result<f64> {
    let before = bare.delivered();
    let start = Instant::now();
    let texts = (0..args.messages).map(|n| async move {
        let to = format!("{}@s.whatsapp.net", recipient(n % RECIPIENTS)).parse().context("a JID")?;
        bare.send(&to, "Hello from Waypost!").await
    });
    stream::iter(texts).buffer_unordered(args.connections).try_collect::<()>().await?;
    wait(args.messages, || async { Ok(bare.delivered() - before) }).await?;
    Ok(args.messages as f64 / start.elapsed().as_secs_f64())
}

async fn gateway_round(server: &Server, sessions: &[String], args: &Args) -> Result<f64> {
    let before = server.count("delivered").await?;
    let start = Instant::now();
    let requests = (0..args.messages).map(|n| {
        let session = &sessions[n % sessions.len()];
        let to = recipient(n % RECIPIENTS);
        async move {
            let body = serde_json::json!({"sessionId": session, "to": to, "text": "Hello from Waypost!"});
            let answer = server.post("/api/messages/send-text", body).await?;
            answer["data"]["id"].as_str().map(str::to_owned).context("an id")
        }
    });
    let ids: Vec<String> = stream::iter(requests).buffered(args.connections).try_collect().await?;
    // Counting reads every message, which would be felt: the last of each chat first, then one count.
    for id in &ids[ids.len().saturating_sub(RECIPIENTS)..] {
        server.wait_delivered(id).await?;
    }
    wait(args.messages, || async { Ok(server.count("delivered").await? - before) }).await?;
    Ok(args.messages as f64 / start.elapsed().as_secs_f64())
}

/// Waits until `count` gives `messages`.
async fn wait<F: Future<Output = Result<u64>>>(messages: usize, count: impl Fn() -> F) -> Result<()> {
    let start = Instant::now();
    let mut seen = 0;
    while seen < messages as u64 {
        ensure!(start.elapsed() < Duration::from_mins(2), "{seen} of {messages} delivered after two minutes");
        tokio::time::sleep(Duration::from_millis(20)).await;
        seen = count().await?;
    }
    Ok(())
}
