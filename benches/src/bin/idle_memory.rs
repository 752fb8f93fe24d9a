//! Anonymous memory of the server per idle linked session: what each session beyond the first costs.

use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use waypost_benches::{Server, Simulator};

/// Memory per idle linked session.
#[derive(Debug, Parser)]
struct Args {
    /// Sessions to link.
    #[arg(long, default_value_t = 200)]
    sessions: usize,
    /// Seconds to let the server settle before each reading.
    #[arg(long, default_value_t = 10)]
    settle: u64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let simulator = Simulator::start().await?;
    let url = simulator.socket_url();
    let server =
        Server::start(&[("WAYPOST_RATE_LIMIT_PER_MINUTE", "0"), ("WAYPOST_WHATSAPP_URL", url.as_str())]).await?;
    let settle = Duration::from_secs(args.settle);
    let mib = |bytes: u64| bytes as f64 / 1024.0 / 1024.0;

    tokio::time::sleep(settle).await;
    println!("no session:   {:.1} MiB", mib(server.child.anonymous_memory()?));
    server.link(&simulator, "s0", "4915550000000").await?;
    tokio::time::sleep(settle).await;
    let first = server.child.anonymous_memory()?;
    println!("one session:  {:.1} MiB", mib(first));
    for n in 1..args.sessions {
        server.link(&simulator, &format!("s{n}"), &format!("4915550{n:06}")).await?;
    }
    tokio::time::sleep(settle).await;
    let all = server.child.anonymous_memory()?;
    println!("{} sessions: {:.1} MiB", args.sessions, mib(all));
    let each = mib(all.saturating_sub(first)) / (args.sessions - 1) as f64;
    println!("each beyond the first: {each:.2} MiB");
    Ok(())
}
