//! A simulator, a store on disk, an engine, and a sink that remembers what it was told.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};
use tempfile::TempDir;
use tokio::sync::watch;
use wa_sim::{AccountHandle, Sim};
use waypost_domain::{
    ConnectionId, Content, Env, Inbound, Jid, MessageEvent, Outgoing, ReceiptKind, SessionEvent, SessionId, WaMessageId,
};
use waypost_engine::{Engine as _, EventSink, Link, NotStored, SendFailure, SessionSpec};
use waypost_engine_whatsapp::{Timings, WhatsappConfig, WhatsappEngine};
use waypost_store::{KeyKind, MasterKey, Store, StoreConfig};

/// How long anything may take; a machine that is busy with other builds is slow.
const PATIENCE: Duration = Duration::from_mins(1);

pub struct Bench {
    pub sim: Sim,
    pub env: Env,
    pub engine: WhatsappEngine,
    pub sink: Arc<Sink>,
    timings: Timings,
    store: Store,
    folder: TempDir,
}

impl Bench {
    pub async fn new() -> Self {
        Self::with(Timings::default()).await
    }

    pub async fn with(timings: Timings) -> Self {
        Self::in_time(timings, Env::system()).await
    }

    /// Whose time is `env`'s. The client library goes by the machine's.
    pub async fn in_time(timings: Timings, env: Env) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = Some(folder.path().join("wa-sim.json"));
        let sim = Sim::start(wa_sim::Config { state, ..Default::default() }).await.unwrap();
        let store = open(&folder, &env).await;
        let engine = engine(&sim, &store, &env, timings);
        Self { sim, env, engine, sink: Arc::new(Sink::default()), timings, store, folder }
    }

    /// The process is stopped without a word and started again: only what is on disk is left. Links of before must have
    /// been dropped.
    pub async fn restart(&mut self) {
        self.store.close().await;
        self.store = open(&self.folder, &self.env).await;
        self.engine = engine(&self.sim, &self.store, &self.env, self.timings);
    }

    /// As a process does that is killed between reading messages and putting them by.
    pub async fn lose_what_was_read(&self, session: SessionId) {
        let lost = self.store.keys(session).delete_prefix(KeyKind::PendingInbound, "").await.unwrap();
        assert!(lost > 0, "nothing was put by");
    }

    /// The states of a session's ciphers, as they are on disk.
    pub async fn cipher_on_disk(&self, session: SessionId) -> Vec<Vec<u8>> {
        let entries = self.store.keys(session).list(KeyKind::Session, "").await.unwrap();
        entries.into_iter().map(|entry| entry.value).collect()
    }

    /// The database has no keys to give and takes none, until they are there again.
    pub async fn keys_are_there(&self, there: bool) {
        let path = self.folder.path().join("waypost.db");
        let mut connection = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
        let (from, to) = if there { ("away", "signal_keys") } else { ("signal_keys", "away") };
        let sql = sqlx::AssertSqlSafe(format!("ALTER TABLE {from} RENAME TO {to}"));
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// The simulator ends in good order and starts again, on the same port.
    pub async fn restart_simulator(self) -> Self {
        let listen = self.sim.addr();
        let state = Some(self.folder.path().join("wa-sim.json"));
        self.sim.shutdown().await;
        let sim = Sim::start(wa_sim::Config { listen, state, ..Default::default() }).await.unwrap();
        Self { sim, ..self }
    }

    /// From here on sessions are opened where nobody listens: port 9 is nobody's.
    pub fn lose_the_network(&mut self) {
        let config = WhatsappConfig { url: Some("ws://127.0.0.1:9/ws/chat".to_owned()), ..WhatsappConfig::default() };
        self.engine = WhatsappEngine::new(config, self.store.clone(), self.env.clone()).unwrap();
    }

    pub async fn open(&self, session: SessionId, name: &str) -> Arc<dyn Link> {
        let spec = SessionSpec {
            id: session,
            tenant_id: self.env.new_id(),
            name: name.to_owned(),
            phone_number: None,
            linked: false,
        };
        self.engine.open(spec, self.sink.clone()).await.unwrap()
    }

    /// A session that is linked to `number` and connected.
    pub async fn linked(&self, number: &str) -> Session {
        let id = self.env.new_id();
        let link = self.open(id, number).await;
        link.connect().await.unwrap();
        let qr = self.sink.qr(id).await;
        let paired = self.sim.scan_qr(&qr, Some(number)).await.unwrap();
        self.sink.connected(id, 1).await;
        Session { id, link, account: self.sim.account(number), device: paired.device, jid: jid(number) }
    }

    /// Hands a message over on the session's last connection.
    pub async fn send(&self, from: &Session, message: &Outgoing) -> Result<(), SendFailure> {
        from.link.send(self.sink.connection(from.id), message).await
    }
}

fn engine(sim: &Sim, store: &Store, env: &Env, timings: Timings) -> WhatsappEngine {
    let config = WhatsappConfig { url: Some(sim.ws_url()), prekeys: 20, timings, ..WhatsappConfig::default() };
    WhatsappEngine::new(config, store.clone(), env.clone()).unwrap()
}

async fn open(folder: &TempDir, env: &Env) -> Store {
    let config = StoreConfig {
        database_url: format!("sqlite://{}", folder.path().join("waypost.db").display()).parse().unwrap(),
        master_key: MasterKey::new([7; 32]),
        max_connections: 4,
    };
    Store::open(&config, env.clone()).await.unwrap()
}

pub struct Session {
    pub id: SessionId,
    pub link: Arc<dyn Link>,
    pub account: AccountHandle,
    pub device: u16,
    pub jid: Jid,
}

pub fn jid(number: &str) -> Jid {
    format!("{number}@s.whatsapp.net").parse().unwrap()
}

pub fn text(env: &Env, to: &Jid, text: &str) -> Outgoing {
    Outgoing { wa_id: env.new_wa_message_id(), to: to.clone(), content: Content::Text { text: text.to_owned() } }
}

/// Remembers everything; refuses inbound messages while it is told to.
#[derive(Default)]
pub struct Sink {
    heard: Mutex<Heard>,
    changed: watch::Sender<()>,
    refuses: AtomicBool,
    /// Receipts are taken note of and do not reach the disk.
    holds: watch::Sender<bool>,
    connections: Mutex<HashMap<SessionId, ConnectionId>>,
}

#[derive(Default)]
pub struct Heard {
    pub answers: Vec<(SessionId, MessageEvent)>,
    pub events: Vec<(SessionId, SessionEvent)>,
    pub inbound: Vec<(SessionId, Inbound)>,
    pub refused: u32,
}

impl Heard {
    /// What was said about the session.
    pub fn of(&self, session: SessionId) -> impl Iterator<Item = &SessionEvent> {
        self.events.iter().filter(move |(id, _)| *id == session).map(|(_, event)| event)
    }

    /// What was said about the session's messages.
    pub fn answers_of(&self, session: SessionId) -> impl Iterator<Item = &MessageEvent> {
        self.answers.iter().filter(move |(id, _)| *id == session).map(|(_, event)| event)
    }

    /// Whether nothing was said, of sessions or of messages.
    pub fn no_events(&self) -> bool {
        self.answers.is_empty() && self.events.is_empty()
    }

    pub fn inbound_of(&self, session: SessionId) -> impl Iterator<Item = &Inbound> {
        self.inbound.iter().filter(move |(id, _)| *id == session).map(|(_, message)| message)
    }

    pub fn times_connected(&self, session: SessionId) -> usize {
        self.of(session).filter(|event| matches!(event, SessionEvent::Connected { .. })).count()
    }
}

impl Sink {
    pub fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap()
    }

    pub fn forget(&self) {
        *self.heard() = Heard::default();
    }

    /// The connection of a session that was made last.
    pub fn connection(&self, session: SessionId) -> ConnectionId {
        self.connections.lock().unwrap().get(&session).copied().unwrap_or_default()
    }

    pub fn refuse_inbound(&self, refuse: bool) {
        self.refuses.store(refuse, Ordering::SeqCst);
    }

    /// From here on receipts are heard, and not written.
    pub fn hold_receipts(&self, hold: bool) {
        self.holds.send_replace(hold);
    }

    /// Waits until `find` finds something in what was heard.
    pub async fn until<T>(&self, what: &str, mut find: impl FnMut(&Heard) -> Option<T>) -> T {
        let mut changed = self.changed.subscribe();
        let waiting = async {
            loop {
                if let Some(found) = find(&self.heard()) {
                    return found;
                }
                changed.changed().await.unwrap();
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(found) => found,
            Err(elapsed) => {
                let Heard { events, answers, .. } = &*self.heard();
                panic!("never heard: {what} ({elapsed}); heard {events:#?}, {answers:#?}")
            }
        }
    }

    pub async fn qr(&self, session: SessionId) -> String {
        self.until("a QR code", |heard| {
            heard.of(session).find_map(|event| match event {
                SessionEvent::Qr { code, .. } => Some(code.clone()),
                _ => None,
            })
        })
        .await
    }

    pub async fn connected(&self, session: SessionId, times: usize) {
        self.until("connected", |heard| (heard.times_connected(session) >= times).then_some(())).await;
    }

    pub async fn acked(&self, session: SessionId, id: &WaMessageId) {
        self.until("an ack", |heard| {
            heard
                .answers_of(session)
                .find(|event| matches!(event, MessageEvent::Acked { wa_id, .. } if wa_id == id))
                .map(drop)
        })
        .await;
    }

    pub async fn received(&self, session: SessionId, id: &WaMessageId) -> Inbound {
        self.until("an inbound message", |heard| {
            heard.inbound_of(session).find(|message| message.wa_id == *id).cloned()
        })
        .await
    }

    pub async fn receipt(&self, session: SessionId, id: &WaMessageId, kind: ReceiptKind) -> Option<Jid> {
        self.until("a receipt", |heard| {
            heard.answers_of(session).find_map(|event| match event {
                MessageEvent::Receipt { wa_ids, participant, kind: proved, .. }
                    if *proved == kind && wa_ids.contains(id) =>
                {
                    Some(participant.clone())
                }
                _ => None,
            })
        })
        .await
    }
}

#[async_trait]
impl EventSink for Sink {
    fn message_event(&self, session: SessionId, event: MessageEvent) {
        self.heard().answers.push((session, event));
        self.changed.send_replace(());
    }

    fn session_event(&self, session: SessionId, event: SessionEvent) {
        if let SessionEvent::Connected { connection, .. } = &event {
            self.connections.lock().unwrap().insert(session, *connection);
        }
        self.heard().events.push((session, event));
        self.changed.send_replace(());
    }

    fn mark(&self, session: SessionId) -> u64 {
        self.heard().answers_of(session).filter(|event| matches!(event, MessageEvent::Receipt { .. })).count() as u64
    }

    async fn recorded(&self, _session: SessionId, mark: u64) {
        if mark > 0 {
            let _ = self.holds.subscribe().wait_for(|holds| !holds).await;
        }
    }

    async fn inbound(&self, session: SessionId, messages: Vec<Inbound>) -> Result<(), NotStored> {
        let refuses = self.refuses.load(Ordering::SeqCst);
        {
            let mut heard = self.heard();
            if refuses {
                heard.refused += 1;
            } else {
                heard.inbound.extend(messages.into_iter().map(|message| (session, message)));
            }
        }
        self.changed.send_replace(());
        if refuses { Err(NotStored) } else { Ok(()) }
    }

    async fn has_inbound(&self, session: SessionId, wa_id: &WaMessageId) -> Result<bool, NotStored> {
        Ok(self.heard().inbound_of(session).any(|message| message.wa_id == *wa_id))
    }
}

/// Waits until `holds`, for what the simulator alone knows.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "never came true: {what}");
}
