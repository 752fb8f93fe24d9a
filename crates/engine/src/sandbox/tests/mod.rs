//! The sandbox through its public face: an engine, links, and a sink that writes down what it is told.

mod connection;
mod recipients;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::watch;
use waypost_domain::{Content, Env, SessionId, TenantId, WaMessageId};

use super::{SandboxDelays, SandboxEngine, network::unpoisoned};
use crate::{
    ConnectionId, Engine, EngineEvent, EventSink, Inbound, Link, NotStored, Outgoing, ReceiptKind, SendFailure,
    SessionSpec,
};

/// How long a condition may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(20);

/// Writes down what it is told.
#[derive(Default)]
struct Recorder {
    events: Mutex<Vec<EngineEvent>>,
    texts: Mutex<Vec<Inbound>>,
    /// How many more times storing incoming texts fails.
    failures: AtomicU32,
    changed: watch::Sender<u64>,
}

#[async_trait]
impl EventSink for Recorder {
    fn post(&self, _session: SessionId, event: EngineEvent) {
        unpoisoned(&self.events).push(event);
        self.changed.send_modify(|changes| *changes += 1);
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
    fn events(&self) -> Vec<EngineEvent> {
        unpoisoned(&self.events).clone()
    }

    fn texts(&self) -> Vec<String> {
        unpoisoned(&self.texts)
            .iter()
            .map(|inbound| match &inbound.content {
                Content::Text { text } => text.clone(),
                Content::Unsupported { kind } => panic!("not a text: {kind}"),
            })
            .collect()
    }

    /// What was told about one message, in order: `acked`, `refused`, `delivered`, `read`.
    fn story(&self, of: &WaMessageId) -> Vec<&'static str> {
        let about = |event: &EngineEvent| match event {
            EngineEvent::Acked { wa_id, .. } if wa_id == of => Some("acked"),
            EngineEvent::Refused { wa_id, .. } if wa_id == of => Some("refused"),
            EngineEvent::Receipt { wa_ids, kind, .. } if wa_ids.contains(of) => Some(match kind {
                ReceiptKind::Delivered => "delivered",
                ReceiptKind::Read => "read",
                ReceiptKind::Played => "played",
            }),
            _ => None,
        };
        self.events().iter().filter_map(about).collect()
    }

    /// The connection that was made last.
    fn connection(&self) -> ConnectionId {
        let made = |event: EngineEvent| match event {
            EngineEvent::Connected { connection, .. } => Some(connection),
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
        assert!(waited.is_ok(), "waited in vain for: {what}; events: {:?}", self.events());
    }
}

/// A session of a sandbox, with what its sink was told.
struct Bench {
    engine: SandboxEngine,
    env: Env,
    spec: SessionSpec,
    told: Arc<Recorder>,
    link: Arc<dyn Link>,
}

impl Bench {
    async fn new(delays: SandboxDelays) -> Self {
        let env = Env::system();
        let engine = SandboxEngine::new(delays, env.clone());
        let id: SessionId = env.new_id();
        let tenant_id: TenantId = env.new_id();
        let spec = SessionSpec { id, tenant_id, name: "sales".to_owned(), phone_number: None, linked: false };
        let told = Arc::new(Recorder::default());
        let link = engine.open(spec.clone(), told.clone()).await.unwrap();
        Self { engine, env, spec, told, link }
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
