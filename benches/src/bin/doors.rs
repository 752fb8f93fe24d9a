//! What the limits on strangers, connections and bytes cost whoever sends: durable accepts with the default limits,
//! beside the same server with every limit off, and beside another build if one is named. The sides take turns.

use std::{path::PathBuf, time::Duration};

use anyhow::Result;
use clap::Parser;
use waypost_benches::{Load, Server, process::beside, stats::median};

/// Every limit that a request of a tenant passes, off, and the line in the log that each request gets. The budget of bytes
/// has no switch.
const OFF: &[(&str, &str)] = &[
    ("WAYPOST_RATE_LIMIT_PER_MINUTE", "0"),
    ("WAYPOST_REFUSED_CREDENTIALS_PER_MINUTE", "0"),
    ("WAYPOST_MAX_CONNECTIONS_PER_ADDRESS", "0"),
    ("WAYPOST_MIN_FREE_DISK", "0MiB"),
    ("WAYPOST_LOG_LEVEL", "info,waypost_api::access=off"),
];

/// Durable accepts a second with the default limits, beside none.
#[derive(Debug, Parser)]
struct Args {
    /// Keep-alive connections.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Seconds a round.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Rounds; each runs every side.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// The program `waypost` of another build.
    #[arg(long)]
    against: Option<PathBuf>,
}

/// One server that is measured.
struct Side {
    name: &'static str,
    load: Load,
    rates: Vec<f64>,
    // Dropped with the side: the process ends.
    _server: Server,
}

impl Side {
    async fn start(name: &'static str, program: PathBuf, settings: &[(&str, &str)]) -> Result<Self> {
        let mut all = vec![("WAYPOST_LOG_LEVEL", "info")];
        all.extend_from_slice(settings);
        let server = Server::start_program(program, &all).await?;
        // Never connected, so that accepting is all that is measured.
        let session = server.create_session("bench", "sandbox").await?;
        let load = Load {
            address: server.address,
            path: "/api/external/messages/send-text".into(),
            api_key: server.api_key.clone(),
            body: format!(r#"{{"sessionId":"{session}","to":"919876543210","text":"Hello from Waypost!"}}"#),
            expect: 200,
        };
        Ok(Self { name, load, rates: Vec::new(), _server: server })
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let own = beside("waypost")?;
    let mut sides =
        vec![Side::start("limits off", own.clone(), OFF).await?, Side::start("default limits", own, &[]).await?];
    if let Some(other) = args.against {
        sides.push(Side::start("other build", other, &[]).await?);
    }
    for round in 0..=args.rounds {
        for side in &mut sides {
            let measured = side.load.run(args.connections, Duration::from_secs(args.seconds)).await?;
            // The first round warms the caches.
            if round > 0 {
                println!("round {round}: {:<14} {:>7.0}/s p99 {:>6.2?}", side.name, measured.rate, measured.p99);
                side.rates.push(measured.rate);
            }
        }
    }
    let base = median(sides[0].rates.clone());
    for side in &sides {
        let rate = median(side.rates.clone());
        println!("median: {:<14} {rate:.0}/s, ratio {:.2}", side.name, rate / base);
    }
    Ok(())
}
