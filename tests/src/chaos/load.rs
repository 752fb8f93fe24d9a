//! What people do meanwhile: the tenant's server sends texts over the API, and phones write back. What was asked for and
//! what was answered goes into a [`Ledger`].
//!
//! Every text says which chat and which place in it it has, so each message can be told from all others. Texts of one chat
//! are sent one after the other, each when the one before was answered, so the order of acceptance is the order of the
//! texts' numbers.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::World;
use super::dice::Dice;
use super::world::admin;
use crate::client::text;
use crate::{Answer, Client};

/// Before a request is made again that nobody answered.
const AGAIN: Duration = Duration::from_millis(15);
/// How long one request may be made again: longer than anything here is away.
const PATIENCE: Duration = Duration::from_mins(3);

/// What a run asks for.
#[derive(Debug, Clone)]
pub struct Pace {
    /// The longest pause between two texts of one chat, in milliseconds; pauses are by chance.
    pub outbound: u64,
    /// The longest pause between two texts of one phone, in milliseconds.
    pub inbound: u64,
    /// Whether the server may answer that it cannot take a message: where its database dies, it must.
    pub refusals: bool,
    /// Whether requests carry an `Idempotency-Key`. Then each is made again until it is accepted, and what was accepted
    /// is known; else a request without an answer leaves it open.
    pub keys: bool,
}

/// A text that was to be sent.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The session's place in the world.
    pub session: usize,
    /// The recipient's.
    pub recipient: usize,
    /// Its place in its chat.
    pub number: u64,
    /// The text.
    pub text: String,
    /// What was answered: the message's id. None where the answer was lost.
    pub id: Option<String>,
    /// When the answer came, since the load began.
    pub at: Duration,
}

/// A text that a phone wrote to a session.
#[derive(Debug, Clone)]
pub struct Written {
    /// The session's place in the world.
    pub session: usize,
    /// The phone's.
    pub recipient: usize,
    /// The text.
    pub text: String,
    /// Its id on the wire. None where the simulator ended before it said so: it may or may not have been written.
    pub id: Option<String>,
}

/// What was asked for, and what was answered.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// By the tenant.
    pub asked: Vec<Asked>,
    /// By phones.
    pub written: Vec<Written>,
    /// Refusals: status and code, and how many there were.
    pub refusals: std::collections::BTreeMap<String, u64>,
    /// Answers that should not have been.
    pub wrong: Vec<String>,
}

/// Load that goes on until it is stopped.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    stop: AtomicBool,
    accepted: AtomicU64,
    ledger: Mutex<Ledger>,
    started: Instant,
    pace: Pace,
}

impl Shared {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn note(&self, note: impl FnOnce(&mut Ledger)) {
        note(&mut self.ledger.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Load {
    /// Starts it: one task for each chat, and one for each phone.
    pub fn start(world: &World, pace: Pace, seed: u64) -> Self {
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            accepted: AtomicU64::new(0),
            ledger: Mutex::default(),
            started: Instant::now(),
            pace,
        });
        let mut tasks = Vec::new();
        for (task, (session, recipient)) in (1..).zip(world.chats()) {
            let chat = Chat {
                client: world.tenant.server.clone(),
                session,
                session_id: world.sessions[session].id.clone(),
                recipient,
                to: world.recipients[recipient].clone(),
            };
            tasks.push(tokio::spawn(send(Arc::clone(&shared), chat, Dice::new(seed, task))));
        }
        for (recipient, number) in world.recipients.iter().enumerate() {
            let sessions = world.sessions.iter().map(|session| session.number.clone()).collect();
            let phone = Phone { admin: world.simulator.admin().clone(), recipient, number: number.clone(), sessions };
            let dice = Dice::new(seed, 1_000 + recipient as u64);
            tasks.push(tokio::spawn(write(Arc::clone(&shared), phone, dice)));
        }
        Self { shared, tasks }
    }

    /// How many messages were accepted so far.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// Waits until `more` messages were accepted from now on.
    pub async fn wait_accepted(&self, more: u64) {
        let from = self.accepted();
        crate::eventually("more messages to be accepted", async || (self.accepted() >= from + more).then_some(()))
            .await;
    }

    /// How often the server refused, so far.
    pub fn refused(&self) -> u64 {
        let mut refused = 0;
        self.shared.note(|ledger| refused = ledger.refusals.values().sum());
        refused
    }

    /// Lets every request that is under way end, and returns what happened.
    pub async fn stop(self) -> Ledger {
        self.shared.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.expect("a task of the load does not panic");
        }
        let mut ledger = Ledger::default();
        self.shared.note(|whole| ledger = std::mem::take(whole));
        ledger
    }
}

struct Chat {
    client: Client,
    session: usize,
    session_id: String,
    recipient: usize,
    to: String,
}

/// What came of one request.
enum Outcome {
    Accepted(String),
    /// Nobody was there to take it.
    NotAsked,
    /// It was refused: nothing was promised, and nothing is known.
    Refused,
    /// The answer was lost.
    Lost,
}

async fn send(shared: Arc<Shared>, chat: Chat, mut dice: Dice) {
    for number in 0.. {
        if shared.stopped() {
            return;
        }
        let text = format!("out {} {} {number}", chat.session, chat.recipient);
        let id = ask_until_known(&shared, &chat, &text).await;
        if id.is_some() {
            shared.accepted.fetch_add(1, Ordering::Relaxed);
        }
        let at = shared.started.elapsed();
        let (session, recipient) = (chat.session, chat.recipient);
        shared.note(|ledger| ledger.asked.push(Asked { session, recipient, number, text, id, at }));
        sleep(Duration::from_millis(dice.between(0, shared.pace.outbound + 1))).await;
    }
}

/// The message's id, or none where that is all that can be known.
async fn ask_until_known(shared: &Shared, chat: &Chat, text: &str) -> Option<String> {
    let started = Instant::now();
    loop {
        match ask(shared, chat, text).await {
            Outcome::Accepted(id) => return Some(id),
            Outcome::Refused | Outcome::Lost if !shared.pace.keys => return None,
            _ if started.elapsed() > PATIENCE => return None,
            _ => sleep(AGAIN).await,
        }
    }
}

async fn ask(shared: &Shared, chat: &Chat, text_to_send: &str) -> Outcome {
    let body = json!({"sessionId": chat.session_id, "to": chat.to, "text": text_to_send});
    let mut request = chat.client.request(Method::POST, "/api/external/messages/send-text").json(&body);
    if shared.pace.keys {
        request = request.header("Idempotency-Key", text_to_send);
    }
    match chat.client.try_send(request).await {
        Ok(answer) if answer.status == 200 => Outcome::Accepted(text(&answer.body, "/data/id")),
        Ok(answer) => {
            let told = told(&answer);
            shared.note(|ledger| {
                if shared.pace.refusals && answer.status.is_server_error() && answer.body["code"].is_string() {
                    *ledger.refusals.entry(told).or_default() += 1;
                } else {
                    ledger.wrong.push(format!("{text_to_send:?} was answered {told}: {}", answer.body));
                }
            });
            Outcome::Refused
        }
        Err(error) if error.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_connect) => {
            Outcome::NotAsked
        }
        Err(_) => Outcome::Lost,
    }
}

fn told(answer: &Answer) -> String {
    format!("{} {}", answer.status.as_u16(), answer.body["code"].as_str().unwrap_or("without a code"))
}

struct Phone {
    admin: Client,
    recipient: usize,
    number: String,
    sessions: Vec<String>,
}

async fn write(shared: Arc<Shared>, phone: Phone, mut dice: Dice) {
    let places: Vec<usize> = (0..phone.sessions.len()).collect();
    for number in 0_u64.. {
        sleep(Duration::from_millis(dice.between(0, shared.pace.inbound + 1))).await;
        if shared.stopped() {
            return;
        }
        let session = *dice.one_of(&places);
        let text_to_write = format!("in {} {session} {number}", phone.recipient);
        let body = json!({"to": phone.sessions[session], "text": text_to_write});
        let path = format!("/admin/accounts/{}/send", phone.number);
        let answer = admin(&phone.admin, Method::POST, &path, Some(&body)).await;
        let written = Written {
            session,
            recipient: phone.recipient,
            text: text_to_write,
            id: answer.ok().map(|answer| text(&answer, "/id")),
        };
        shared.note(|ledger| ledger.written.push(written));
    }
}
