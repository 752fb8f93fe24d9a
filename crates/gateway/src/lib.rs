//! The use cases and loops of sessions and messages: the only writer of their state.
//!
//! Use cases are methods of [`Gateway`], one file each; the loops that carry rows onward live in [`loops`].

mod client_version;
mod error;
mod health;
pub mod lists;
mod live;
pub mod loops;
pub mod messages;
mod metrics;
mod numbers;
mod people;
pub mod sessions;

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio_util::{sync::CancellationToken, task::TaskTracker};
use waypost_domain::{EngineKind, Env, Pacing};
use waypost_engine::Engine;
use waypost_store::Store;

pub use error::{FieldErrors, GatewayError};
pub use metrics::METRICS_CONTENT_TYPE;
pub use numbers::{CheckNumbers, CheckedNumber, LookupLimits};

/// What an operator can set.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// How long an acknowledgement may take before a message is sent again under the same id.
    pub ack_timeout: Duration,
    /// How often a message is sent in all before it fails with `NO_ACK`.
    pub send_attempts: u32,
    /// How long after its accept or its `sendAt` a message expires that does not say itself; none for never.
    pub message_expiry: Option<Duration>,
    /// The pace of real sessions, where their tenants choose no other. Sandbox sessions have none by default.
    pub pacing: Pacing,
    /// The most sessions a tenant may have; none for no limit.
    pub max_sessions_per_tenant: Option<u32>,
    /// How many sessions that come back by themselves may begin to log in each second.
    pub session_logins_per_second: u32,
    /// The pauses before each attempt to connect that nobody asked for, after WhatsApp refused a session; the last one
    /// repeats.
    pub retry_pauses: Vec<Duration>,
    /// When numbers are looked up before a message is accepted.
    pub check_numbers: CheckNumbers,
    /// How many numbers each session may look up.
    pub lookup_limits: LookupLimits,
    /// Folders that are written to, beside the database's own.
    pub folders: Vec<PathBuf>,
    /// Bytes that must be free in each of these folders: with less, no message is accepted.
    pub min_free_disk: u64,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            ack_timeout: Duration::from_secs(30),
            send_attempts: 3,
            message_expiry: Some(Duration::from_hours(24)),
            pacing: Pacing::OFF,
            max_sessions_per_tenant: None,
            session_logins_per_second: 20,
            retry_pauses: vec![Duration::from_mins(5), Duration::from_mins(15), Duration::from_hours(1)],
            check_numbers: CheckNumbers::Asked,
            lookup_limits: LookupLimits::default(),
            folders: Vec::new(),
            min_free_disk: 256 * 1024 * 1024,
        }
    }
}

/// The use cases. Clones share everything.
#[derive(Clone)]
pub struct Gateway {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) env: Env,
    pub(crate) config: GatewayConfig,
    pub(crate) engines: Vec<Arc<dyn Engine>>,
    /// The sessions that memory knows.
    pub(crate) sessions: live::Directory,
    /// Whether requests can be served.
    pub(crate) readiness: health::Readiness,
    /// Whether there is room for more.
    pub(crate) disk: health::Disk,
    /// The look-ups of numbers.
    pub(crate) lookups: numbers::Lookups,
    /// The way from the network's word to rows.
    pub(crate) recorder: loops::record::Recorder,
    /// What `/metrics` shows.
    pub(crate) metrics: metrics::Metrics,
    /// Rings when a scheduled message is due.
    pub(crate) due: loops::Alarm,
    /// Rings when a message may have expired.
    pub(crate) expiry: loops::Alarm,
    /// Sessions that are to be connected without anybody asking.
    pub(crate) supervision: loops::supervise::Supervision,
    /// Held while a session is counted and created, where there is a limit to keep.
    pub(crate) creation: tokio::sync::Mutex<()>,
    /// The tasks of sessions with work to do.
    pub(crate) tasks: TaskTracker,
    /// Cancelled when the process stops: nothing new is begun.
    pub(crate) stopping: CancellationToken,
}

impl Inner {
    /// Runs a step to its end even where the caller stops waiting for it: a step that broke off between the row and
    /// memory would leave the two apart.
    pub(crate) async fn undisturbed<T: Send + 'static>(
        &self,
        step: impl Future<Output = Result<T, GatewayError>> + Send + 'static,
    ) -> Result<T, GatewayError> {
        let joined = self.tasks.spawn(step).await;
        joined.unwrap_or_else(|error| Err(GatewayError::Internal(format!("a step broke off: {error}"))))
    }

    /// The pace of a kind of session, where the tenant chooses no other.
    pub(crate) const fn default_pacing(&self, kind: EngineKind) -> Pacing {
        match kind {
            EngineKind::Whatsapp | EngineKind::Unknown => self.config.pacing,
            EngineKind::Sandbox => Pacing::OFF,
        }
    }

    /// The engine of a kind of session.
    pub(crate) fn engine(&self, kind: EngineKind) -> Result<&Arc<dyn Engine>, GatewayError> {
        self.engines.iter().find(|engine| engine.kind() == kind).ok_or_else(|| {
            GatewayError::WhatsappUnavailable(format!("This server runs without the engine `{}`", kind.as_str()))
        })
    }
}

impl Gateway {
    /// A gateway over a database and the networks it can reach. Called on the runtime. Nothing moves until
    /// [`Gateway::start`]: callers are served, messages are accepted and wait.
    pub fn new(store: Store, engines: Vec<Arc<dyn Engine>>, env: Env, config: GatewayConfig) -> Self {
        let recorder = loops::record::Recorder::default();
        let metrics = metrics::Metrics::new(&store, &recorder);
        let inner = Inner {
            store,
            env,
            config,
            engines,
            sessions: live::Directory::default(),
            readiness: health::Readiness::default(),
            disk: health::Disk::default(),
            lookups: numbers::Lookups::default(),
            recorder,
            metrics,
            due: loops::Alarm::default(),
            expiry: loops::Alarm::default(),
            supervision: loops::supervise::Supervision::default(),
            creation: tokio::sync::Mutex::default(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The clock and the random source that the use cases go by.
    pub fn env(&self) -> &Env {
        &self.inner.env
    }
}

pub use waypost_engine::PairingCode;
