//! `waypost-chaos`: what `cargo xtask chaos` runs. See [`waypost_tests::chaos`].

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use waypost_tests::Database;
use waypost_tests::chaos::{Options, run};

/// Kills the gateway again and again under load, and checks every promise afterwards.
#[derive(Debug, Parser)]
struct Args {
    /// How often the gateway is killed.
    #[arg(long, default_value_t = 200)]
    kills: u64,
    /// Where it keeps its rows.
    #[arg(long, value_enum, default_value = "sqlite")]
    database: Kind,
    /// Seed of all chance in the run; by default another every time. It is printed.
    #[arg(long)]
    seed: Option<u64>,
    /// How many sessions send.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=200))]
    sessions: u16,
    /// To how many phones.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u16).range(1..=500))]
    recipients: u16,
    /// What the gateway logs (its setting `log_level`), into a file of the folder that `WAYPOST_TEST_LOGS` names.
    #[arg(long)]
    log_level: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Sqlite,
    Postgres,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let options = Options {
        database: match args.database {
            Kind::Sqlite => Database::Sqlite,
            Kind::Postgres => Database::Postgres,
        },
        kills: args.kills,
        seed: args.seed.unwrap_or_else(|| u64::from(std::process::id())),
        sessions: args.sessions.into(),
        recipients: args.recipients.into(),
        progress: true,
        log_level: args.log_level,
    };
    println!("chaos: {options:?}");
    let report = run(options).await?;
    println!("\n{report}");
    Ok(if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
