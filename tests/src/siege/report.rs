//! What a siege measured.

use std::fmt;

use super::{Flood, Options, flood::Answers, sender::Latencies};
use crate::chaos::{machine, today};

/// One part of a siege.
#[derive(Debug, Clone)]
pub struct Row {
    /// What flooded the server.
    pub floods: Vec<Flood>,
    /// The sender before it.
    pub quiet: Latencies,
    /// The sender during it.
    pub besieged: Latencies,
    /// How the flood was answered.
    pub answers: Answers,
}

impl Row {
    /// By how much the 99th percentile grew.
    pub fn ratio(&self) -> f64 {
        self.besieged.percentile(0.99).as_secs_f64() / self.quiet.percentile(0.99).as_secs_f64().max(1e-6)
    }
}

/// A whole siege.
#[derive(Debug, Clone)]
pub struct Report {
    /// What was asked for.
    pub options: Options,
    /// Its parts.
    pub rows: Vec<Row>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Options { database, connections, rate, part } = &self.options;
        writeln!(f, "siege {}, on {}", today(), machine())?;
        writeln!(
            f,
            "database {database:?}, {connections} flooding connections from one address, {rate} sends a second from \
             another, {} s a part",
            part.as_secs()
        )?;
        for row in &self.rows {
            let name = match row.floods.as_slice() {
                [flood] => format!("{flood:?}").to_lowercase(),
                _ => "all at once".to_owned(),
            };
            let answers: Vec<_> = row.answers.iter().map(|(status, count)| format!("{status}: {count}")).collect();
            writeln!(
                f,
                "{name:<14} sends {:>5}, p50 {:>8.2?} -> {:>8.2?}, p99 {:>8.2?} -> {:>8.2?}, x{:.1} (answers {})",
                row.besieged.count(),
                row.quiet.percentile(0.5),
                row.besieged.percentile(0.5),
                row.quiet.percentile(0.99),
                row.besieged.percentile(0.99),
                row.ratio(),
                answers.join(", ")
            )?;
        }
        Ok(())
    }
}
