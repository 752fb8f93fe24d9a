//! Chaos: the gateway sends and receives under load while it is killed, its sockets are cut, WhatsApp restarts,
//! and acknowledgements are swallowed or come late; afterwards every promise is checked against what the phones were shown.
//!
//! What must hold in the end, whatever happened meanwhile:
//!
//! - every accepted message was shown by its recipient's phone under exactly one id, in the order of acceptance in its
//!   chat, and could be decrypted; a repeat under the same id is how phones know a repeat, and is only counted;
//! - every accepted message is `delivered`, and none has failed;
//! - every session is connected again by itself, as the same device;
//! - no ratchet counter was used twice;
//! - every message that a phone wrote is stored once.
//!
//! `cargo xtask chaos` runs it for long; `tests/system/faults` has short runs.

mod dice;
mod load;
mod mayhem;
mod report;
mod truth;
mod verify;
mod world;

use std::time::Duration;

use anyhow::Result;
use tokio::time::Instant;

use crate::{Database, Setup};

pub use load::{Ledger, Load, Pace};
pub use report::{Counts, Report};
pub(crate) use report::{machine, today};
pub use world::{Linked, World};

/// What a run is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the gateway keeps its rows.
    pub database: Database,
    /// How often it is killed.
    pub kills: u64,
    /// Of all chance in the run. The same seed gives the same plan, though never the same moments.
    pub seed: u64,
    /// How many sessions send.
    pub sessions: usize,
    /// To how many phones.
    pub recipients: usize,
    /// Whether progress is printed.
    pub progress: bool,
    /// What the gateway logs (its setting `log_level`); for the rest see [`crate::Process`].
    pub log_level: Option<String>,
}

/// Runs it: mayhem under load, then the judgement. An error is a run that could not be judged.
pub async fn run(options: Options) -> Result<Report> {
    let mut setup = Setup::on(options.database);
    if let Some(level) = &options.log_level {
        setup = setup.with("WAYPOST_LOG_LEVEL", level);
    }
    let mut world = World::start(setup, options.sessions, options.recipients).await?;
    let pace = Pace { outbound: 120, inbound: 600, refusals: false, keys: true };
    let load = Load::start(&world, pace, options.seed);
    let started = Instant::now();
    let happened = mayhem::make(&mut world, &load, &options).await?;
    let ledger = load.stop().await;
    let took = started.elapsed();
    let judged = judge(&world, &ledger).await?;
    Ok(Report {
        kills: happened.kills,
        cuts: happened.cuts,
        restarts: happened.restarts,
        withheld: happened.withheld,
        delayed: happened.delayed,
        counts: judged.counts,
        recoveries: happened.recoveries,
        took: (took, judged.settled_in),
        violations: judged.violations,
        options,
    })
}

/// What [`judge`] found.
#[derive(Debug)]
pub struct Judged {
    /// What was counted.
    pub counts: Counts,
    /// How long it took until nothing was on its way any more.
    pub settled_in: Duration,
    /// What was found wrong, in lines.
    pub violations: Vec<String>,
}

/// Lets the world settle, and checks every promise.
pub async fn judge(world: &World, ledger: &Ledger) -> Result<Judged> {
    world.simulator.clear_faults().await;
    world.wait_connected().await?;
    let inbound = ledger.written.iter().filter(|written| written.id.is_some()).count();
    let (settled_in, left) = truth::settle(world, inbound).await?;
    let truth = truth::read(world).await?;
    let (counts, mut violations) = verify::verify(world, ledger, &truth);
    if let Some(left) = left {
        violations.add("things that never settled", left);
    }
    Ok(Judged { counts, settled_in, violations: violations.told() })
}
