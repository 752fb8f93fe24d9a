//! The summary of a run.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::Options;

/// What was counted in the end.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Messages that are accepted.
    pub accepted: usize,
    /// Requests whose answer was lost for good: they may or may not have been accepted.
    pub unanswered: usize,
    /// Accepted messages that their recipient's phone was shown once.
    pub shown: usize,
    /// Arrivals under an id that the phone had shown already.
    pub repeats: u64,
    /// Arrivals that could not be decrypted, so that the phone asked again.
    pub failed: u64,
    /// How many messages ended in which status.
    pub statuses: BTreeMap<String, usize>,
    /// Messages that phones wrote.
    pub written: usize,
    /// Of those, how many are rows.
    pub stored: usize,
}

/// What happened in a run, and what was found.
#[derive(Debug, Clone)]
pub struct Report {
    /// What was asked for.
    pub options: Options,
    /// SIGKILLs of the gateway.
    pub kills: u64,
    /// Sockets cut.
    pub cuts: u64,
    /// Restarts of the simulator.
    pub restarts: u64,
    /// Acknowledgements that the simulator was told to withhold.
    pub withheld: u64,
    /// Acknowledgements and receipts that it was told to delay.
    pub delayed: u64,
    /// What was counted.
    pub counts: Counts,
    /// From SIGKILL until every session was connected again, of each time that it was waited for.
    pub recoveries: Vec<Duration>,
    /// How long the run took, and then the settling.
    pub took: (Duration, Duration),
    /// What was found wrong, in lines.
    pub violations: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { options, counts, .. } = self;
        let mut recoveries = self.recoveries.clone();
        recoveries.sort_unstable();
        let median = recoveries.get(recoveries.len() / 2).copied().unwrap_or_default();
        let longest = recoveries.last().copied().unwrap_or_default();
        let statuses: Vec<String> = counts.statuses.iter().map(|(status, count)| format!("{status} {count}")).collect();
        writeln!(f, "chaos {}, on {}", today(), machine())?;
        writeln!(
            f,
            "database {:?}, seed {}, {} sessions, {} recipients, {:.0} s and {:.0} s to settle",
            options.database,
            options.seed,
            options.sessions,
            options.recipients,
            self.took.0.as_secs_f64(),
            self.took.1.as_secs_f64()
        )?;
        writeln!(
            f,
            "kills {}, sockets cut {}, simulator restarts {}, acknowledgements withheld up to {}, late answers up to {}",
            self.kills, self.cuts, self.restarts, self.withheld, self.delayed
        )?;
        writeln!(
            f,
            "messages accepted {}, shown {}, repeats on the wire {}, undecryptable and asked for again {}",
            counts.accepted, counts.shown, counts.repeats, counts.failed
        )?;
        writeln!(f, "requests without an answer {}", counts.unanswered)?;
        writeln!(f, "inbound written {}, stored {}", counts.written, counts.stored)?;
        writeln!(f, "statuses {}", statuses.join(", "))?;
        writeln!(
            f,
            "time from SIGKILL to every session connected: median {:.2} s, max {:.2} s ({} times)",
            median.as_secs_f64(),
            longest.as_secs_f64(),
            recoveries.len()
        )?;
        if self.violations.is_empty() {
            return write!(f, "violations none");
        }
        write!(f, "VIOLATIONS")?;
        self.violations.iter().try_for_each(|line| write!(f, "\n{line}"))
    }
}

/// The date, as the machine has it.
pub(crate) fn today() -> String {
    let date = std::process::Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]).output();
    date.map_or_else(|_| "at some time".to_owned(), |date| String::from_utf8_lossy(&date.stdout).trim().to_owned())
}

/// The machine: cores, processor, memory.
pub(crate) fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let kib: u64 = read("/proc/meminfo")
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse().ok())
        .unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let name = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, name)| name);
    format!("{cores} cores ({}), {:.0} GiB", name.unwrap_or("unknown"), kib as f64 / 1024.0 / 1024.0)
}
