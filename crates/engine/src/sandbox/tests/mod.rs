//! The sandbox through its public face: an engine, links, and a sink that writes down what it is told.

mod connection;
mod recipients;
mod restart;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::watch;
use waypost_domain::{
    ConnectionId, Content, Env, Inbound, MessageEvent, Outgoing, ReceiptKind, SessionEvent, SessionId, TenantId,
    WaMessageId,
};

use super::{
    Mailbox, MailboxChanges, MailboxError, MemoryMailbox, Owed, SandboxDelays, SandboxEngine, network::unpoisoned,
};
use crate::{Engine, EventSink, Link, NotStored, SendFailure, SessionSpec};

/// How long a condition may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(20);

/// Writes down what it is told.
struct Recorder {
    answers: Mutex<Vec<MessageEvent>>,
    events: Mutex<Vec<SessionEvent>>,
    texts: Mutex<Vec<Inbound>>,
    /// How many more times storing incoming texts fails.
    failures: AtomicU32,
    changed: watch::Sender<u64>,
    /// Whether what was told gets to the disk.
    records: watch::Sender<bool>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            answers: Mutex::default(),
            events: Mutex::default(),
            texts: Mutex::default(),
            failures: AtomicU32::default(),
            changed: watch::Sender::default(),
            records: watch::Sender::new(true),
        }
    }
}

#[async_trait]
impl EventSink for Recorder {
    fn message_event(&self, _session: SessionId, event: MessageEvent) {
        unpoisoned(&self.answers).push(event);
        self.changed.send_modify(|changes| *changes += 1);
    }

    fn session_event(&self, _session: SessionId, event: SessionEvent) {
        unpoisoned(&self.events).push(event);
        self.changed.send_modify(|changes| *changes += 1);
    }

    async fn recorded(&self, _session: SessionId, _mark: u64) {
        self.records.subscribe().wait_for(|records| *records).await.unwrap();
    }

    async fn inbound(&self, _session: SessionId, messages: Vec<Inbound>) -> Result<(), NotStored> {
        let fails = self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if fails {
            return Err(NotStored);
        }
        unpoisoned(&self.texts).extend(messages);
        self.changed.send_modify(|changes| *changes += 1);
        Ok(())
    }
}

impl Recorder {
    /// What was told about messages.
    fn answers(&self) -> Vec<MessageEvent> {
        unpoisoned(&self.answers).clone()
    }

    /// What was told about the session.
    fn events(&self) -> Vec<SessionEvent> {
        unpoisoned(&self.events).clone()
    }

    fn count(&self) -> usize {
        unpoisoned(&self.answers).len() + unpoisoned(&self.events).len()
    }

    fn receipts(&self) -> usize {
        unpoisoned(&self.answers).iter().filter(|event| matches!(event, MessageEvent::Receipt { .. })).count()
    }

    fn texts(&self) -> Vec<String> {
        unpoisoned(&self.texts)
            .iter()
            .map(|inbound| match &inbound.content {
                Content::Text { text } => text.clone(),
                other => panic!("not a text: {other:?}"),
            })
            .collect()
    }

    /// What was told about one message, in order: `acked`, `refused`, `delivered`, `read`.
    fn story(&self, of: &WaMessageId) -> Vec<&'static str> {
        let about = |event: &MessageEvent| match event {
            MessageEvent::Acked { wa_id, .. } if wa_id == of => Some("acked"),
            MessageEvent::Refused { wa_id, .. } if wa_id == of => Some("refused"),
            MessageEvent::Receipt { wa_ids, kind, .. } if wa_ids.contains(of) => Some(match kind {
                ReceiptKind::Delivered => "delivered",
                ReceiptKind::Read => "read",
                ReceiptKind::Played => "played",
            }),
            _ => None,
        };
        self.answers().iter().filter_map(about).collect()
    }

    /// The connection that was made last.
    fn connection(&self) -> ConnectionId {
        let made = |event: SessionEvent| match event {
            SessionEvent::Connected { connection, .. } => Some(connection),
            _ => None,
        };
        self.events().into_iter().rev().find_map(made).unwrap_or_default()
    }

    async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let mut changes = self.changed.subscribe();
        let waiting = async {
            while !condition(self) {
                changes.changed().await.unwrap();
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(waited.is_ok(), "waited in vain for: {what}; events: {:?}, {:?}", self.events(), self.answers());
    }
}

/// A disk that outlives the process that writes to it.
struct Disk {
    kept: Arc<MemoryMailbox>,
    /// Whether it takes what is written, or lets it wait.
    writes: watch::Sender<bool>,
    /// How many more times writing fails.
    failures: AtomicU32,
}

impl Disk {
    fn on(kept: Arc<MemoryMailbox>) -> Self {
        Self { kept, writes: watch::Sender::new(true), failures: AtomicU32::default() }
    }

    /// Its process is dead and writes nothing more.
    fn stop(&self) {
        self.writes.send_replace(false);
    }

    fn of_the_next_process(&self) -> Self {
        Self::on(Arc::clone(&self.kept))
    }
}

#[async_trait]
impl Mailbox for Disk {
    async fn write(&self, changes: MailboxChanges) -> Result<(), MailboxError> {
        self.writes.subscribe().wait_for(|writes| *writes).await.unwrap();
        if self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(MailboxError::Failed("as the test wants it".to_owned()));
        }
        self.kept.write(changes).await
    }

    async fn load(&self) -> Result<Vec<Owed>, MailboxError> {
        self.kept.load().await
    }
}

/// A session of a sandbox, with what its sink was told.
struct Bench {
    engine: SandboxEngine,
    env: Env,
    spec: SessionSpec,
    told: Arc<Recorder>,
    link: Arc<dyn Link>,
    disk: Arc<Disk>,
}

impl Bench {
    async fn new(delays: SandboxDelays) -> Self {
        let env = Env::system();
        let id: SessionId = env.new_id();
        let tenant_id: TenantId = env.new_id();
        let spec = SessionSpec { id, tenant_id, name: "sales".to_owned(), phone_number: None, linked: false };
        Self::of(delays, Arc::new(Disk::on(Arc::default())), env, spec).await
    }

    async fn of(delays: SandboxDelays, disk: Arc<Disk>, env: Env, spec: SessionSpec) -> Self {
        let engine = SandboxEngine::new(delays, disk.clone(), env.clone());
        let told = Arc::new(Recorder::default());
        let link = engine.open(spec.clone(), told.clone()).await.unwrap();
        Self { engine, env, spec, told, link, disk }
    }

    /// A connected session without delays.
    async fn connected() -> Self {
        let bench = Self::new(SandboxDelays::NONE).await;
        bench.link.connect().await.unwrap();
        bench
    }

    fn message(&self, to: &str, text: &str) -> Outgoing {
        Outgoing {
            wa_id: self.env.new_wa_message_id(),
            to: to.parse::<waypost_domain::Recipient>().unwrap().to_jid(),
            content: Content::Text { text: text.to_owned() },
        }
    }

    async fn send(&self, to: &str, text: &str) -> Result<Outgoing, SendFailure> {
        let message = self.message(to, text);
        self.link.send(self.told.connection(), &message).await.map(|()| message)
    }

    /// Sends an ordinary message and waits until it is read: what was under way without delays has then happened.
    async fn let_everything_happen(&self) {
        let last = self.send("919876543210", "the last one").await.unwrap();
        self.told.until("the last one is read", |told| told.story(&last.wa_id).contains(&"read")).await;
    }
}
