//! How many messages a second are accepted durably, beside what the same server answers without writing anything.
//!
//! The baseline is the same route, authenticated the same way, with a body that stops at validation: HTTP,
//! authentication and JSON, but no row.

use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use waypost_benches::{Load, Server, stats::median};

/// Durable accepts a second, beside an authenticated POST that writes nothing.
#[derive(Debug, Parser)]
struct Args {
    /// Keep-alive connections.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Seconds a round.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Rounds; each runs both loads.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// `postgres://…` instead of the embedded database.
    #[arg(long)]
    database_url: Option<String>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let mut settings = vec![("WAYPOST_RATE_LIMIT_PER_MINUTE", "0")];
    if let Some(url) = &args.database_url {
        settings.push(("DATABASE_URL", url));
    }
    let server = Server::start(&settings).await?;
    // Never connected, so that accepting is all that is measured.
    let session = server.create_session("bench", "sandbox").await?;
    let accept = Load {
        address: server.address,
        path: "/api/external/messages/send-text".into(),
        api_key: server.api_key.clone(),
        body: format!(r#"{{"sessionId":"{session}","to":"919876543210","text":"Hello from Waypost!"}}"#),
        expect: 200,
    };
    let nothing = Load { body: accept.body.replace("Hello from Waypost!", ""), expect: 400, ..accept.clone() };
    let time = Duration::from_secs(args.seconds);
    nothing.run(args.connections, Duration::from_secs(1)).await?;
    let (mut accepts, mut baselines) = (Vec::new(), Vec::new());
    for round in 1..=args.rounds {
        let (base, accepted) = (nothing.run(args.connections, time).await?, accept.run(args.connections, time).await?);
        println!(
            "round {round}: no-op {:>7.0}/s p50 {:>6.2?} p99 {:>6.2?} | accept {:>7.0}/s p50 {:>6.2?} p99 {:>6.2?}",
            base.rate, base.p50, base.p99, accepted.rate, accepted.p50, accepted.p99
        );
        baselines.push(base.rate);
        accepts.push(accepted.rate);
    }
    let (accepts, baseline) = (median(accepts), median(baselines));
    println!("median: no-op {baseline:.0}/s, accept {accepts:.0}/s, ratio {:.2}", accepts / baseline);
    Ok(())
}
