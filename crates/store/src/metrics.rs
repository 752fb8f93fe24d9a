//! What the store counts, for `/metrics`: commits, and what they did to messages.
//!
//! A transaction counts into its own [`Tally`], which is added once the transaction is committed: what was rolled back was
//! never there. Every label is a name of ours, so the number of series is bounded.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};
use waypost_domain::{FailureCode, MessageStatus};

/// A status, with its code if it is `failed`; else the code is empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabels {
    status: &'static str,
    code: &'static str,
}

impl StatusLabels {
    fn of(status: MessageStatus, code: Option<FailureCode>) -> Self {
        let code = code.filter(|_| status == MessageStatus::Failed);
        Self { status: status.as_str(), code: code.map_or("", FailureCode::as_str) }
    }
}

/// How a transaction ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

/// The counters. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    accepted: Counter,
    statuses: Family<StatusLabels, Counter>,
    batches: Family<OutcomeLabels, Counter>,
    requests: Histogram,
    seconds: Histogram,
}

impl Default for Metrics {
    /// Every series stands at zero from the start, so that the first change is seen as one.
    fn default() -> Self {
        let metrics = Self {
            accepted: Counter::default(),
            statuses: Family::default(),
            batches: Family::default(),
            // 1 to 1024, the most that a commit takes.
            requests: Histogram::new(exponential_buckets(1.0, 2.0, 11)),
            // 0.5 ms to 8 s.
            seconds: Histogram::new(exponential_buckets(0.0005, 2.0, 15)),
        };
        for status in MessageStatus::ALL.into_iter().filter(|status| *status != MessageStatus::Failed) {
            drop(metrics.statuses.get_or_create(&StatusLabels::of(status, None)));
        }
        for code in FailureCode::ALL {
            drop(metrics.statuses.get_or_create(&StatusLabels::of(MessageStatus::Failed, Some(code))));
        }
        for outcome in [COMMITTED, FAILED] {
            drop(metrics.batches.get_or_create(&outcome));
        }
        metrics
    }
}

const COMMITTED: OutcomeLabels = OutcomeLabels { outcome: "committed" };
const FAILED: OutcomeLabels = OutcomeLabels { outcome: "failed" };

impl Metrics {
    /// Names the counters.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("messages_accepted", "Outbound messages that were accepted", self.accepted.clone());
        registry.register(
            "message_statuses",
            "Statuses that messages reached, with the code of those that failed",
            self.statuses.clone(),
        );
        registry.register("writer_batches", "Transactions of the writer, by their outcome", self.batches.clone());
        registry.register("writer_batch_requests", "Requests in each committed transaction", self.requests.clone());
        registry.register_with_unit(
            "writer_commit",
            "Time of each committed transaction, from its begin to the end of its commit",
            Unit::Seconds,
            self.seconds.clone(),
        );
    }

    /// A transaction with so many requests is committed.
    pub fn committed(&self, tally: Tally, requests: usize, took: Duration) {
        self.batches.get_or_create(&COMMITTED).inc();
        self.requests.observe(requests as f64);
        self.seconds.observe(took.as_secs_f64());
        let counts = tally.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.accepted.inc_by(counts.accepted);
        for ((status, code), count) in counts.statuses {
            self.statuses.get_or_create(&StatusLabels::of(status, code)).inc_by(count);
        }
    }

    /// A transaction failed.
    pub fn failed(&self) {
        self.batches.get_or_create(&FAILED).inc();
    }
}

/// What one transaction did to messages.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    accepted: u64,
    statuses: HashMap<(MessageStatus, Option<FailureCode>), u64>,
}

impl Tally {
    /// A message was accepted with this status.
    pub fn accepted(&self, status: MessageStatus) {
        self.add(1, status, None, 1);
    }

    /// So many messages reached a status; `code` says why if that is `failed`.
    pub fn reached(&self, status: MessageStatus, code: Option<FailureCode>, count: usize) {
        self.add(0, status, code, count as u64);
    }

    fn add(&self, accepted: u64, status: MessageStatus, code: Option<FailureCode>, count: u64) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.accepted += accepted;
        if count > 0 {
            *counts.statuses.entry((status, code)).or_default() += count;
        }
    }
}
