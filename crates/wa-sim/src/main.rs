//! `wa-sim`: the simulator as a program.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::Parser;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use wa_sim::{Config, Phones, Sim};

/// A WhatsApp server to test against.
#[derive(Parser)]
#[command(version, about)]
struct Args {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Serve TLS, with a self-signed certificate made for this run.
    #[arg(long)]
    tls: bool,
    /// What the pretend phones do with the messages they are shown.
    #[arg(long, value_enum, default_value_t)]
    phones: Phones,
    /// Phones send no delivery receipts, so that those of companions can be told apart.
    #[arg(long)]
    silent_phones: bool,
    /// New accounts are migrated to LID (true), or are not (false), and the other namespace is refused.
    #[arg(long)]
    lid_migrated: Option<bool>,
    /// Refuse every Noise IK, so that reconnects go through `XXfallback`.
    #[arg(long)]
    no_ik: bool,
    /// Keep everything in this file: read at the start, written at SIGTERM, SIGINT and by POST /admin/save.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,wacore_libsignal=off"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let args = Args::parse();
    let sim = Sim::start(Config {
        listen: args.listen,
        tls: args.tls,
        phones: args.phones,
        phone_receipts: !args.silent_phones,
        lid_migrated: args.lid_migrated,
        allow_ik: !args.no_ik,
        state: args.state,
        ..Config::default()
    })
    .await?;
    let hex = sim.root_key().iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    println!("wa-sim listens on {}", sim.ws_url());
    println!("root key (hex)    {hex}");
    println!("root key (base64) {}", BASE64_STANDARD.encode(sim.root_key()));
    if let Some(certificate) = sim.certificate_pem() {
        println!("{certificate}");
    }
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    sim.shutdown().await;
    Ok(())
}
