//! A scripted network: it takes note of every send call and behaves as the test says.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tokio::sync::{Semaphore, watch};
use waypost_domain::{
    ClientVersion, ConnectionId, Content, EndReason, EngineKind, Env, FailureCode, FoundAccount, Inbound, Jid,
    MessageEvent, NumberFound, Outgoing, PhoneNumber, ReceiptKind, SessionEvent, SessionId, Timestamp, WaMessageId,
};
use waypost_engine::{Engine, EventSink, Link, LinkError, NotStored, PairingCode, SendFailure, SessionSpec};

/// What the network does with a message.
#[derive(Clone)]
pub enum Behaviour {
    /// Takes it and acknowledges it.
    Ack,
    /// Acknowledges it before the send call returns, and receipts it too.
    AckEarly,
    /// Takes it and says nothing.
    Silent,
    /// Takes it and refuses it.
    Refuse(FailureCode),
    /// Does not take it.
    Fail(SendFailure),
    /// Takes it, and acknowledges it, once there is a permit.
    Gate(Arc<Semaphore>),
}

/// A send call: to whom, under which id, with which text, on which of the session's links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub session: SessionId,
    pub to: Jid,
    pub wa_id: WaMessageId,
    pub text: String,
}

type Sink = Arc<dyn EventSink>;
type Script = Arc<dyn Fn(&Outgoing, usize) -> Behaviour + Send + Sync>;

pub struct Network {
    me: Weak<Self>,
    env: Env,
    script: Mutex<Script>,
    pub sent: watch::Sender<Vec<Sent>>,
    /// Where each session's events go, and its connection while it is up.
    lines: Mutex<HashMap<SessionId, (Sink, Option<ConnectionId>)>>,
    connections: AtomicU64,
    pub forgotten: Mutex<Vec<SessionId>>,
    pub logged_out: Mutex<Vec<SessionId>>,
    /// Whether `connect` of a linked session leads to `Connected` by itself.
    pub answers_logins: Mutex<bool>,
    /// How `connect` of a linked session ends, where it does.
    pub refuses_logins: Mutex<Option<EndReason>>,
    /// The `connect` calls, and when.
    pub connects: Mutex<Vec<(SessionId, Instant)>>,
    /// The sessions whose QR code was scanned and that were not forgotten since.
    scanned: Mutex<HashSet<SessionId>>,
    /// The versions that were set.
    pub versions: Mutex<Vec<Option<ClientVersion>>>,
    /// Who has an account.
    pub book: Mutex<Book>,
    /// What was looked up, call by call.
    pub lookups: watch::Sender<Vec<Vec<PhoneNumber>>>,
    /// While there is one, each look-up takes a permit.
    pub lookup_gate: Mutex<Option<Arc<Semaphore>>>,
}

/// What the network knows of numbers.
#[derive(Default)]
pub struct Book {
    pub accounts: HashMap<String, FoundAccount>,
    /// What every look-up is answered with.
    pub refusal: Option<LinkError>,
}

impl Network {
    pub fn new(env: Env) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            env,
            script: Mutex::new(Arc::new(|_, _| Behaviour::Ack)),
            sent: watch::Sender::new(Vec::new()),
            lines: Mutex::default(),
            connections: AtomicU64::default(),
            forgotten: Mutex::default(),
            logged_out: Mutex::default(),
            answers_logins: Mutex::new(true),
            refuses_logins: Mutex::default(),
            connects: Mutex::default(),
            scanned: Mutex::default(),
            versions: Mutex::default(),
            book: Mutex::default(),
            lookups: watch::Sender::new(Vec::new()),
            lookup_gate: Mutex::default(),
        })
    }

    /// How messages are treated; the number counts the earlier send calls with the same id.
    pub fn behave(&self, script: impl Fn(&Outgoing, usize) -> Behaviour + Send + Sync + 'static) {
        *self.script.lock().unwrap() = Arc::new(script);
    }

    pub fn now(&self) -> Timestamp {
        self.env.now()
    }

    /// Where the session's latest link posts its events.
    pub fn sink(&self, session: SessionId) -> Arc<dyn EventSink> {
        self.lines.lock().unwrap()[&session].0.clone()
    }

    pub fn message_event(&self, session: SessionId, event: MessageEvent) {
        self.sink(session).message_event(session, event);
    }

    pub fn session_event(&self, session: SessionId, event: SessionEvent) {
        self.sink(session).session_event(session, event);
    }

    pub async fn inbound(&self, session: SessionId, messages: Vec<Inbound>) -> Result<(), NotStored> {
        self.sink(session).inbound(session, messages).await
    }

    /// A phone scans the session's QR code.
    pub fn scan(&self, session: SessionId, number: &str) {
        let phone_number: PhoneNumber = number.parse().unwrap();
        self.scanned.lock().unwrap().insert(session);
        self.session_event(
            session,
            SessionEvent::Linked { phone_number, lid: None, push_name: Some("Ada".to_owned()) },
        );
        self.connected(session);
    }

    pub fn connected(&self, session: SessionId) {
        let connection = self.make_connection(session);
        self.session_event(session, SessionEvent::Connected { connection, push_name: None });
    }

    /// A connection is there, and nobody has heard of it.
    pub fn make_connection(&self, session: SessionId) -> ConnectionId {
        let id = ConnectionId(self.connections.fetch_add(1, Ordering::SeqCst));
        self.lines.lock().unwrap().get_mut(&session).unwrap().1 = Some(id);
        id
    }

    pub fn lose(&self, session: SessionId) {
        self.lines.lock().unwrap().get_mut(&session).unwrap().1 = None;
        self.session_event(session, SessionEvent::ConnectionLost { reason: "cut by the test".to_owned() });
    }

    pub fn receipt(&self, session: SessionId, wa_id: &WaMessageId, from: &Jid, kind: ReceiptKind) {
        let event = MessageEvent::Receipt {
            wa_ids: vec![wa_id.clone()],
            participant: Some(from.clone()),
            kind,
            at: self.now(),
        };
        self.message_event(session, event);
    }

    pub fn ack(&self, session: SessionId, wa_id: &WaMessageId) {
        self.message_event(session, MessageEvent::Acked { wa_id: wa_id.clone(), at: self.now() });
    }

    /// How often the session's link was told to connect.
    pub fn times_connected(&self, session: SessionId) -> usize {
        self.connects.lock().unwrap().iter().filter(|(id, _)| *id == session).count()
    }

    /// The number has an account with this JID and LID.
    pub fn register(&self, number: &str, jid: &str, lid: Option<&str>) {
        let account = FoundAccount { jid: jid.parse().unwrap(), lid: lid.map(|lid| lid.parse().unwrap()) };
        self.book.lock().unwrap().accounts.insert(number.to_owned(), account);
    }

    /// The numbers that were looked up, call by call.
    pub fn looked_up(&self) -> Vec<Vec<String>> {
        let digits = |call: &Vec<PhoneNumber>| call.iter().map(ToString::to_string).collect();
        self.lookups.borrow().iter().map(digits).collect()
    }

    /// Waits until so many send calls were made, and returns them.
    pub async fn until_sent(&self, count: usize) -> Vec<Sent> {
        self.sent.subscribe().wait_for(|sent| sent.len() >= count).await.unwrap().clone()
    }
}

#[async_trait]
impl Engine for Network {
    fn kind(&self) -> EngineKind {
        EngineKind::Whatsapp
    }

    async fn open(&self, spec: SessionSpec, sink: Arc<dyn EventSink>) -> Result<Arc<dyn Link>, LinkError> {
        self.lines.lock().unwrap().insert(spec.id, (sink, None));
        Ok(Arc::new(Line { network: self.me.upgrade().unwrap(), spec }))
    }

    async fn forget(&self, session: SessionId) -> Result<(), LinkError> {
        self.forgotten.lock().unwrap().push(session);
        self.scanned.lock().unwrap().remove(&session);
        Ok(())
    }

    fn set_client_version(&self, version: Option<ClientVersion>) {
        self.versions.lock().unwrap().push(version);
    }
}

struct Line {
    network: Arc<Network>,
    spec: SessionSpec,
}

impl Line {
    fn connection(&self) -> Option<ConnectionId> {
        self.network.lines.lock().unwrap()[&self.spec.id].1
    }

    async fn act(&self, behaviour: Behaviour, message: &Outgoing) -> Result<(), SendFailure> {
        let (network, session) = (&self.network, self.spec.id);
        match behaviour {
            Behaviour::Ack => network.ack(session, &message.wa_id),
            Behaviour::AckEarly => {
                for kind in [ReceiptKind::Read, ReceiptKind::Delivered, ReceiptKind::Delivered] {
                    network.receipt(session, &message.wa_id, &message.to, kind);
                }
                network.ack(session, &message.wa_id);
                network.ack(session, &message.wa_id);
                tokio::task::yield_now().await;
            }
            Behaviour::Silent => {}
            Behaviour::Refuse(code) => network.message_event(
                session,
                MessageEvent::Refused {
                    wa_id: message.wa_id.clone(),
                    code,
                    reason: "ack error 463".to_owned(),
                    at: network.now(),
                },
            ),
            Behaviour::Fail(failure) => return Err(failure),
            Behaviour::Gate(gate) => {
                gate.acquire().await.unwrap().forget();
                network.ack(session, &message.wa_id);
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Link for Line {
    async fn connect(&self) -> Result<(), LinkError> {
        let (network, id) = (&self.network, self.spec.id);
        network.connects.lock().unwrap().push((id, Instant::now()));
        network.session_event(id, SessionEvent::Connecting);
        let linked = self.spec.linked || network.scanned.lock().unwrap().contains(&id);
        let refusal = network.refuses_logins.lock().unwrap().clone();
        if let Some(reason) = refusal.filter(|_| linked) {
            network.session_event(id, SessionEvent::Ended(reason));
        } else if !linked {
            let expires_at = network.now().plus(Duration::from_mins(1));
            network.session_event(id, SessionEvent::Qr { code: "2@scan-me".to_owned(), expires_at });
        } else if *network.answers_logins.lock().unwrap() {
            network.connected(id);
        }
        Ok(())
    }

    async fn pairing_code(&self, _number: &PhoneNumber) -> Result<PairingCode, LinkError> {
        let expires_at = self.network.now().plus(Duration::from_mins(3));
        Ok(PairingCode { code: "ABCD2345".to_owned(), expires_at })
    }

    async fn send(&self, on: ConnectionId, message: &Outgoing) -> Result<(), SendFailure> {
        if self.connection() != Some(on) {
            return Err(SendFailure::Park { reason: "not connected".to_owned() });
        }
        let Content::Text { text } = &message.content else { unreachable!("only texts are sent") };
        let sent =
            Sent { session: self.spec.id, to: message.to.clone(), wa_id: message.wa_id.clone(), text: text.clone() };
        // Chosen before anybody hears of the call, so that a test may change its mind for the next one.
        let script = self.network.script.lock().unwrap().clone();
        let mut earlier = 0;
        self.network.sent.send_modify(|all| {
            earlier = all.iter().filter(|other| other.wa_id == sent.wa_id).count();
            all.push(sent);
        });
        self.act(script(message, earlier), message).await
    }

    async fn lookup(&self, numbers: &[PhoneNumber]) -> Result<Vec<NumberFound>, LinkError> {
        let network = &self.network;
        network.lookups.send_modify(|all| all.push(numbers.to_vec()));
        let gate = network.lookup_gate.lock().unwrap().clone();
        if let Some(gate) = gate {
            gate.acquire().await.unwrap().forget();
        }
        let book = network.book.lock().unwrap();
        if let Some(error) = &book.refusal {
            return Err(error.clone());
        }
        let account = |number: &PhoneNumber| book.accounts.get(number.as_str()).cloned();
        Ok(numbers.iter().map(|number| NumberFound { number: number.clone(), account: account(number) }).collect())
    }

    async fn disconnect(&self) {
        self.network.lines.lock().unwrap().get_mut(&self.spec.id).unwrap().1 = None;
    }

    async fn logout(&self) {
        self.network.logged_out.lock().unwrap().push(self.spec.id);
        self.disconnect().await;
    }
}
