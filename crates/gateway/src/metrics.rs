//! What an operator's Prometheus reads: counters of the store and the recorder, and gauges that are read when somebody asks.
//!
//! It guarantees that
//! - labels are names of ours (statuses, codes, engines), never a tenant, a number or a text, so the number of series is
//!   bounded;
//! - asking costs accepts nothing: what needs the database is read at most once in [`KEPT`], by one reader of those that
//!   lists may hold, and is given up after [`PATIENCE`];
//! - a gauge is true or absent: if the database does not answer, what it would have said is left out.

use std::{
    sync::atomic::AtomicU64,
    time::{Duration, Instant},
};

use prometheus_client::{
    encoding::{EncodeLabelSet, prometheus_text},
    metrics::{family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};
use tokio::{sync::Mutex, time::timeout};
use waypost_domain::{EngineKind, MessageStatus, SessionStatus, Timestamp};
use waypost_store::{OldestQueued, Store, StoreError};

use crate::{Gateway, GatewayError, loops::record::Recorder};

/// What the text is, for the header `Content-Type`.
pub const METRICS_CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// How long what the database said is kept.
const KEPT: Duration = Duration::from_secs(10);
/// How long the database may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// The most messages that are counted: with more that are open, the gauges say this many in all.
const COUNTED: u32 = 100_000;
/// What is before each name.
const PREFIX: &str = "waypost";

/// The statuses of messages that are still to go.
const OPEN: [MessageStatus; 3] = [MessageStatus::Scheduled, MessageStatus::Queued, MessageStatus::Sending];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueueLabels {
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OldestLabels {
    session: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SessionLabels {
    engine: &'static str,
    status: &'static str,
}

/// Everything that is shown.
pub(crate) struct Metrics {
    registry: Registry,
    evidence_waiting: Gauge,
    writes_waiting: Gauge,
    queue: Family<QueueLabels, Gauge>,
    oldest: Family<OldestLabels, Gauge<f64, AtomicU64>>,
    sessions: Family<SessionLabels, Gauge>,
    /// When the database was asked last. Held while the text is made, so that nobody sees half of an answer.
    asked: Mutex<Option<Instant>>,
}

impl Metrics {
    pub(crate) fn new(store: &Store, recorder: &Recorder) -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        store.register_metrics(&mut registry);
        registry.register(
            "evidence_dropped",
            "Acknowledgements and receipts that were dropped because the database did not keep up",
            recorder.dropped_counter().clone(),
        );
        let evidence_waiting = Gauge::default();
        let writes_waiting = Gauge::default();
        let queue = Family::default();
        let oldest = Family::default();
        let sessions = Family::default();
        registry.register(
            "evidence_waiting",
            "Acknowledgements and receipts that wait to be recorded, in entries",
            evidence_waiting.clone(),
        );
        registry.register(
            "writer_waiting_requests",
            "Requests that wait in the writer's queue",
            writes_waiting.clone(),
        );
        registry.register(
            "queue_messages",
            "Messages that are scheduled, queued or being sent; 100000 are counted at most",
            queue.clone(),
        );
        registry.register_with_unit(
            "queue_oldest",
            "Age of the oldest queued message, since it was due, by whether its session is connected",
            Unit::Seconds,
            oldest.clone(),
        );
        registry.register("sessions", "Sessions by their engine and status", sessions.clone());
        Self { registry, evidence_waiting, writes_waiting, queue, oldest, sessions, asked: Mutex::default() }
    }
}

impl Gateway {
    /// What this process counts, in Prometheus' text format ([`METRICS_CONTENT_TYPE`]).
    pub async fn metrics(&self) -> Result<String, GatewayError> {
        let metrics = &self.inner.metrics;
        let mut asked = metrics.asked.lock().await;
        if asked.is_none_or(|at| at.elapsed() >= KEPT) {
            self.ask_the_database().await;
            *asked = Some(Instant::now());
        }
        metrics.evidence_waiting.set(gauge(self.inner.recorder.waiting() as u64));
        metrics.writes_waiting.set(gauge(self.inner.store.waiting_writes() as u64));
        let mut text = String::new();
        prometheus_text::encode(&mut text, &metrics.registry)
            .map_err(|error| GatewayError::Internal(format!("the metrics cannot be written: {error}")))?;
        Ok(text)
    }

    async fn ask_the_database(&self) {
        let metrics = &self.inner.metrics;
        metrics.queue.clear();
        metrics.oldest.clear();
        metrics.sessions.clear();
        match timeout(PATIENCE, read(&self.inner.store)).await {
            Ok(Ok(seen)) => metrics.show(seen, |at| self.inner.env.now().since(at)),
            Ok(Err(error)) => tracing::debug!(%error, "the metrics lack what the database did not say"),
            Err(_) => tracing::debug!("the metrics lack what the database did not say in time"),
        }
    }
}

/// What the database said.
struct Seen {
    queue: Vec<(MessageStatus, u64)>,
    oldest: OldestQueued,
    sessions: Vec<(EngineKind, SessionStatus, u64)>,
}

async fn read(store: &Store) -> Result<Seen, StoreError> {
    Ok(Seen {
        queue: store.count_open_system(COUNTED).await?,
        oldest: store.oldest_queued_system().await?,
        sessions: store.count_sessions_system().await?,
    })
}

impl Metrics {
    /// Shows what the database said, and zero for what it did not name.
    fn show(&self, seen: Seen, age: impl Fn(Timestamp) -> Duration) {
        for status in OPEN {
            self.queue.get_or_create(&QueueLabels { status: status.as_str() }).set(0);
        }
        for (status, count) in seen.queue {
            self.queue.get_or_create(&QueueLabels { status: status.as_str() }).set(gauge(count));
        }
        for (session, since) in [("connected", seen.oldest.connected), ("other", seen.oldest.others)] {
            let seconds = since.map_or(0.0, |since| age(since).as_secs_f64());
            self.oldest.get_or_create(&OldestLabels { session }).set(seconds);
        }
        for engine in [EngineKind::Whatsapp, EngineKind::Sandbox] {
            for status in SessionStatus::ALL {
                let labels = SessionLabels { engine: engine.as_str(), status: status.as_str() };
                self.sessions.get_or_create(&labels).set(0);
            }
        }
        for (engine, status, count) in seen.sessions {
            let labels = SessionLabels { engine: engine.as_str(), status: status.as_str() };
            // What this version does not know is one series, and may come in several rows.
            self.sessions.get_or_create(&labels).inc_by(gauge(count));
        }
    }
}

fn gauge(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
