//! Siege: one address floods the server with what strangers can send, while another address sends messages. What is
//! measured is how long the second one waits, beside how long it waits while nothing else happens.
//!
//! The flood comes from 127.0.0.2 and the sender from 127.0.0.3: two addresses of this machine, so that the server's
//! limits per address tell them apart. Both sides, and the server, share the machine's cores.
//!
//! `cargo xtask siege` runs it on a release.

mod flood;
mod report;
mod sender;

use std::{net::IpAddr, time::Duration};

use anyhow::Result;

use crate::{Database, Setup, Waypost};

pub use flood::Flood;
pub use report::{Report, Row};

use sender::Sender;

/// Where the flood comes from.
const ATTACKER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));

/// Where the messages come from.
const SENDER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 3));

/// What a run is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the server keeps its rows.
    pub database: Database,
    /// Connections that the flood holds.
    pub connections: usize,
    /// Requests a second that the sender makes.
    pub rate: u32,
    /// How long each part is measured.
    pub part: Duration,
}

/// Runs every flood by itself and then all at once, with a quiet part before each.
pub async fn run(options: Options) -> Result<Report> {
    // The pause is the default one, which tests switch off. Registration is open, so that the flood of registrations reaches everything that one can cost.
    let setup =
        Setup::on(options.database).with("WAYPOST_REGISTRATION_OPEN", "true").with("WAYPOST_REFUSAL_PAUSE", "1s");
    let server = Waypost::start(setup).await?;
    let tenant = server.register("ada").await?;
    let session = tenant.sandbox().await;
    let sender = Sender::new(&tenant.server, &session)?;
    // Connections, caches and the database's pages are warm before anything counts.
    sender.measure(options.rate, Duration::from_secs(2)).await?;

    let mut rows = Vec::new();
    let floods = Flood::ALL.iter().map(|flood| vec![*flood]).chain([Flood::ALL.to_vec()]);
    for floods in floods {
        let quiet = sender.measure(options.rate, options.part).await?;
        let siege = flood::start(&server.client().base, &floods, options.connections)?;
        let besieged = sender.measure(options.rate, options.part).await?;
        rows.push(Row { floods, quiet, besieged, answers: siege.stop().await });
    }
    Ok(Report { options, rows })
}
