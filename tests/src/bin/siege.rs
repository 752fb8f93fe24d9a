//! `waypost-siege`: what `cargo xtask siege` runs. See [`waypost_tests::siege`].

use std::{process::ExitCode, time::Duration};

use anyhow::Result;
use clap::{Parser, ValueEnum};
use waypost_tests::Database;
use waypost_tests::siege::{Options, run};

/// How much the 99th percentile of another address may grow.
const MOST: f64 = 5.0;

/// Floods the server from one address and measures how long another one waits.
#[derive(Debug, Parser)]
struct Args {
    /// Where the server keeps its rows.
    #[arg(long, value_enum, default_value = "sqlite")]
    database: Kind,
    /// Connections that the flood holds.
    #[arg(long, default_value_t = 200)]
    connections: usize,
    /// Requests a second that the other address sends.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    rate: u32,
    /// Seconds a part.
    #[arg(long, default_value_t = 15)]
    seconds: u64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Sqlite,
    Postgres,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let report = run(Options {
        database: match args.database {
            Kind::Sqlite => Database::Sqlite,
            Kind::Postgres => Database::Postgres,
        },
        connections: args.connections,
        rate: args.rate,
        part: Duration::from_secs(args.seconds),
    })
    .await?;
    print!("{report}");
    let worst = report.rows.iter().map(waypost_tests::siege::Row::ratio).fold(0.0, f64::max);
    println!("the worst part: x{worst:.1}; it may be x{MOST:.1} at most");
    Ok(if worst < MOST { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
