//! The task that owns a session's client from connect to disconnect.
//!
//! whatsapp-rust makes a lost connection again by itself. The driver does what it leaves undone: it saves the
//! credentials before it says `Linked`, keeps the account from looking online, notices a connection that went without an
//! event or is there in name alone ([`super::liveness`]), makes sure that a device was unlinked ([`super::doubt`]), has
//! WhatsApp bring again what could not be stored ([`super::redelivery`]), and starts a new client where one gave up
//! without a reason (a panic, a store that failed for long).

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval_at, timeout},
};
use wacore::{store::traits::DeviceStore as _, types::events::PairSuccess};
use whatsapp_rust::Client;

use super::{
    Command, LinkCore,
    client::{Built, build},
    doubt::{Doubt, Unlinked},
    events::{Change, Events, MAX_WAITING},
    liveness::{Liveness, Signs, Verdict},
    questions,
    redelivery::Redelivery,
};
use crate::{backend::SessionBackend, inbound, jid, version::Version};
use waypost_domain::{EndReason, SessionEvent};

/// How long a client may take to put itself away: two flushes of 5 s each and some.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a logout may wait for a login, and then for the server's answer.
const LOGOUT_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a word about presence may take.
const PRESENCE_TIMEOUT: Duration = Duration::from_secs(5);
/// The first and the longest wait before a client that gave up is replaced.
const RESTART_WAIT: (Duration, Duration) = (Duration::from_secs(2), Duration::from_mins(5));

/// Why a connection is given up that says nothing any more.
const SILENT: &str = "WhatsApp stopped answering";
/// Why a connection is given up that answers questions and no message.
const MUTE: &str = "WhatsApp acknowledges no message";
/// Why a login is given up that leads nowhere.
const DEAF: &str = "WhatsApp took the login and delivered nothing after it";
/// Why a connection is given up on which something could not be stored.
const UNSTORED: &str = "the database does not answer, and WhatsApp is to bring again what came in";

/// How a client ended.
enum End {
    /// As it was told.
    Told,
    /// The network ended it.
    Network(EndReason),
    /// The network says that the device was unlinked.
    Unlinked(Unlinked),
    /// No phone scanned a QR code.
    QrExhausted,
    /// It gave up, and another is to take its place.
    GaveUp(String),
}

/// Keeps the session connected until it is told to stop or the network ends it.
pub(super) async fn drive(link: Arc<LinkCore>, mut orders: watch::Receiver<Option<Command>>) {
    let mut wait = RESTART_WAIT.0;
    let mut doubt = Doubt::default();
    let mut refused_version = None;
    loop {
        link.session_event(SessionEvent::Connecting);
        let started = Instant::now();
        let version = link.shared.versions.current();
        let version = tokio::select! {
            biased;
            // An order to log out still needs a client.
            () = told_to_close(&mut orders) => return,
            version = version => version,
        };
        let (end, was_connected) = run(&link, version, &mut orders).await;
        if was_connected && started.elapsed() > RESTART_WAIT.1 {
            wait = RESTART_WAIT.0;
            doubt.settle();
        }
        let pause = match end {
            End::Told => return,
            End::QrExhausted => return link.session_event(SessionEvent::QrExhausted),
            End::Network(EndReason::ClientOutdated) if refused_version != Some(version) => {
                // What was looked up may be old by now. A second refusal is final.
                refused_version = Some(version);
                link.shared.versions.refused().await;
                if link.shared.versions.current().await == version {
                    return link.session_event(SessionEvent::Ended(EndReason::ClientOutdated));
                }
                Duration::ZERO
            }
            End::Network(reason) => return link.session_event(SessionEvent::Ended(reason)),
            End::Unlinked(word) => {
                if doubt.hear(&word, was_connected) {
                    return link.session_event(SessionEvent::Ended(EndReason::LoggedOut { reason: word.reason }));
                }
                link.warn(&word.reason, "WhatsApp says that the device was unlinked; making sure");
                link.session_event(SessionEvent::ConnectionLost {
                    reason: format!("WhatsApp said that {}, which another login makes sure of", word.reason),
                });
                doubt.pause(link.shared.config.timings.doubt)
            }
            End::GaveUp(reason) => {
                link.warn(&reason, "the session's client gave up; another takes its place");
                link.session_event(SessionEvent::ConnectionLost { reason: "the client failed".to_owned() });
                let pause = wait;
                wait = (wait * 2).min(RESTART_WAIT.1);
                pause
            }
        };
        // An order to log out is carried out by the next client.
        if timeout(pause, told(&mut orders)).await == Ok(Command::Close) {
            return;
        }
    }
}

/// Waits for an order. It stays in force: whoever asks again hears it again.
async fn told(orders: &mut watch::Receiver<Option<Command>>) -> Command {
    // Nobody is left to give one: the link is gone.
    orders.wait_for(Option::is_some).await.ok().and_then(|order| *order).unwrap_or(Command::Close)
}

async fn told_to_close(orders: &mut watch::Receiver<Option<Command>>) {
    if told(orders).await == Command::Logout {
        std::future::pending::<()>().await;
    }
}

/// Whether the session's store holds the credentials of a linked device. A store that cannot be read holds none that
/// could be used.
pub(super) async fn is_linked(link: &LinkCore) -> bool {
    if let Some(client) = link.running_client() {
        return client.pn().is_some();
    }
    let backend =
        SessionBackend::new(link.shared.store.keys(link.spec.id), link.shared.env.clone(), link.lines.clone());
    matches!(backend.load().await, Ok(Some(device)) if device.pn.is_some())
}

/// Builds a client and runs it to its end. Also says whether it got as far as `Connected`.
async fn run(link: &Arc<LinkCore>, version: Version, orders: &mut watch::Receiver<Option<Command>>) -> (End, bool) {
    let built = match build(link, version).await {
        Ok(built) => built,
        Err(error) => return (End::GaveUp(error), false),
    };
    let (changes, waiting) = mpsc::channel(MAX_WAITING);
    built.client.subscribe_handler(Arc::new(Events::new(Arc::clone(link), &built.client, changes))).detach();
    let mut session = Running::start(link, built, waiting);
    let end = session.watch(orders).await;
    let was_connected = session.was_connected;
    session.finish().await;
    (end, was_connected)
}

/// A running client. Dropped before [`Running::finish`], it leaves without a word.
#[expect(clippy::struct_excessive_bools, reason = "facts that come and go independently of each other")]
struct Running {
    link: Arc<LinkCore>,
    client: Arc<Client>,
    backend: Arc<SessionBackend>,
    changes: mpsc::Receiver<Change>,
    /// The client's own loop. In a task of its own, so that waiting here never holds it up and its panic is not ours.
    task: JoinHandle<()>,
    /// Whether `Connected` was said and not taken back.
    connected: bool,
    /// Whether `Connected` was ever said.
    was_connected: bool,
    /// Why the connection was lost, as it was told last.
    lost: Option<String>,
    /// Whether a QR code waits for a person.
    shows_qr: bool,
    /// The attempt whose login was taken without anything coming of it so far.
    hollow: Option<u64>,
    /// What is known of the connection.
    liveness: Liveness,
    /// When WhatsApp may bring again what could not be stored.
    redelivery: Redelivery,
    /// A question to the database that is under way; says whether it was answered.
    database: Option<JoinHandle<bool>>,
    /// A question to the server that is under way; says whether it was answered.
    question: Option<JoinHandle<bool>>,
    /// Since when a connection that was given up is being closed, and how many were made before.
    closing: Option<(Instant, u64)>,
    /// Whether the client may have said that the account is available.
    presence_due: bool,
    /// Whether the client was put away.
    closed: bool,
}

impl Running {
    fn start(link: &Arc<LinkCore>, built: Built, changes: mpsc::Receiver<Change>) -> Self {
        let Built { client, backend } = built;
        let running = client.clone();
        let task = tokio::spawn(async move { running.run().await });
        link.client.send_replace(Some(client.clone()));
        Self {
            link: link.clone(),
            client,
            backend,
            changes,
            task,
            connected: false,
            was_connected: false,
            lost: None,
            shows_qr: false,
            hollow: None,
            liveness: Liveness::new(link.shared.config.timings, Instant::now()),
            redelivery: Redelivery::default(),
            database: None,
            question: None,
            closing: None,
            presence_due: false,
            closed: false,
        }
    }

    /// Follows the client until it ends or is told to.
    async fn watch(&mut self, orders: &mut watch::Receiver<Option<Command>>) -> End {
        let look = self.link.shared.config.timings.look;
        let mut check = interval_at(Instant::now() + look, look);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                order = told(orders) => {
                    if order == Command::Logout {
                        self.unlink().await;
                    }
                    return End::Told;
                }
                Some(change) = self.changes.recv() => {
                    if let Some(end) = self.apply(change).await {
                        return end;
                    }
                }
                ended = &mut self.task => {
                    // What it said last may still be waiting.
                    while let Ok(change) = self.changes.try_recv() {
                        if let Some(end) = self.apply(change).await {
                            return end;
                        }
                    }
                    return End::GaveUp(match ended {
                        Ok(()) => "its loop ended without a reason".to_owned(),
                        Err(error) => error.to_string(),
                    });
                }
                answered = questions::answer(&mut self.question) => {
                    self.question = None;
                    if answered {
                        self.liveness.proved(Instant::now());
                    } else if self.connected && self.client.is_connected() {
                        self.give_up_connection(SILENT);
                    }
                }
                answered = questions::answer(&mut self.database) => {
                    self.database = None;
                    if answered && self.link.lines.present_is_spoiled() {
                        self.redelivery.begins(Instant::now());
                        self.give_up_connection(UNSTORED);
                    }
                }
                _ = check.tick() => {
                    if let Some(failure) = self.failure() {
                        return End::GaveUp(failure.to_owned());
                    }
                    self.check_connection();
                    if self.connected && self.presence_due {
                        self.appear_offline().await;
                    }
                }
            }
        }
    }

    /// Follows one change; returns the end where it is one.
    async fn apply(&mut self, change: Change) -> Option<End> {
        match change {
            Change::Qr { code, lasts } => {
                (self.lost, self.shows_qr) = (None, true);
                let expires_at = self.link.shared.env.now().plus(lasts);
                self.link.session_event(SessionEvent::Qr { code, expires_at });
            }
            Change::QrExhausted => return Some(End::QrExhausted),
            Change::Paired(paired) => return self.linked(&paired).await,
            Change::Connected(connection) => {
                (self.connected, self.was_connected, self.lost) = (true, true, None);
                self.liveness.connected(self.signs(), Instant::now());
                self.hollow = None;
                self.link.session_event(SessionEvent::Connected { connection, push_name: self.push_name() });
                self.appear_offline().await;
            }
            Change::Renamed => self.presence_due = true,
            // Of one that was given up it is known why.
            Change::Lost(_) if self.is_closing() => {}
            Change::Lost(reason) => self.lost(reason),
            Change::Ended(reason) => return Some(End::Network(reason)),
            Change::Unlinked(word) => return Some(End::Unlinked(word)),
            Change::Recovered(batch) => {
                let messages = inbound::convert(&batch);
                if !messages.is_empty() && self.link.sink.inbound(self.link.spec.id, messages).await.is_err() {
                    tracing::error!(
                        session.id = %self.link.spec.id,
                        tenant.id = %self.link.spec.tenant_id,
                        "a message that the phone had sent once more could not be stored and is lost"
                    );
                }
            }
        }
        None
    }

    /// Says `Linked`, once the credentials are on disk: the client saves them in its own time.
    async fn linked(&mut self, paired: &PairSuccess) -> Option<End> {
        self.shows_qr = false;
        if let Err(error) = self.client.persistence_manager().flush().await {
            return Some(End::GaveUp(format!("the new credentials could not be saved: {error}")));
        }
        let Some(phone_number) = jid::from_wire(&paired.id).and_then(|jid| jid.phone_number()) else {
            return Some(End::Network(EndReason::Refused {
                reason: "linked to an account without a number".to_owned(),
            }));
        };
        let lid = jid::from_wire(&paired.lid);
        self.link.session_event(SessionEvent::Linked { phone_number, lid, push_name: self.push_name() });
        None
    }

    /// Says that the connection is lost and why; the same thing is said once.
    fn lost(&mut self, reason: String) {
        self.connected = false;
        self.shows_qr = false;
        if let Some(question) = self.question.take() {
            question.abort();
        }
        if self.lost.as_ref() == Some(&reason) {
            return;
        }
        self.lost = Some(reason.clone());
        self.link.session_event(SessionEvent::ConnectionLost { reason });
        self.link.session_event(SessionEvent::Connecting);
    }

    /// Why this client is of no more use, where that is so.
    fn failure(&self) -> Option<&'static str> {
        if self.client.persistence_manager().is_saver_halted() {
            return Some("its credentials could not be saved");
        }
        let (since, _) = self.closing?;
        let stays = self.is_closing() && self.client.is_connected();
        (stays && since.elapsed() > CLOSE_TIMEOUT).then_some("its connection could not be closed")
    }

    /// Whether the present connection was given up and the next is not begun yet.
    fn is_closing(&self) -> bool {
        self.closing.is_some_and(|(_, made_before)| self.client.stats().reconnects == made_before)
    }

    /// Notices what no event tells: a connection that cannot be made, one that the client itself takes down and makes
    /// again, one that is there in name alone, and a login that leads nowhere.
    fn check_connection(&mut self) {
        let (up, now) = (self.client.is_connected(), Instant::now());
        if self.link.lines.present_is_spoiled() && !self.is_closing() {
            self.lost(UNSTORED.to_owned());
            if self.database.is_none() && self.redelivery.is_due(now) {
                self.database = Some(questions::ask_database(&self.link));
            }
            return;
        }
        if self.connected && !(up && self.client.is_logged_in()) {
            let silent = self.liveness.is_quiet(now);
            self.lost(if silent { SILENT } else { "the connection is being made again" }.to_owned());
        }
        let signs = self.signs();
        if self.connected {
            match self.liveness.look(signs, now) {
                Verdict::Doubtful if self.question.is_none() => {
                    self.question = Some(questions::ask_server(&self.link, &self.client));
                }
                Verdict::Mute => return self.give_up_connection(MUTE),
                Verdict::Alive | Verdict::Doubtful => {}
            }
            return;
        }
        let attempt = self.client.stats().reconnects;
        if self.hollow.is_some_and(|of| of != attempt || !up) {
            // The client found out by itself, and tries again.
            self.lost(DEAF.to_owned());
        }
        self.hollow = (up && self.client.is_logged_in()).then_some(attempt);
        if !up {
            self.liveness.no_login();
            if self.lost.is_none() {
                self.lost("WhatsApp cannot be reached".to_owned());
            }
        } else if self.shows_qr {
            self.liveness.no_login();
        } else if self.liveness.login_failed(signs, self.push_name().is_none(), now) {
            self.liveness.no_login();
            self.give_up_connection(if self.client.is_logged_in() {
                DEAF
            } else {
                "WhatsApp did not answer the login"
            });
        }
    }

    fn signs(&self) -> Signs {
        let stats = self.client.stats();
        Signs {
            last_data_ms: stats.last_data_received_ms,
            frames: stats.frames_received,
            sent: self.link.sent.load(Ordering::Relaxed),
            answered: self.link.answered.load(Ordering::Relaxed),
        }
    }

    /// Has the client make a connection anew that is there in name alone.
    fn give_up_connection(&mut self, reason: &str) {
        self.link.warn(reason, "the session's connection is given up and made again");
        self.lost(reason.to_owned());
        self.closing = Some((Instant::now(), self.client.stats().reconnects));
        let lines = self.link.lines.clone();
        tokio::spawn(async move { timeout(CLOSE_TIMEOUT, lines.cut()).await });
    }

    /// Takes back the client's word that the account is available, which it gives at each login and with each new name.
    async fn appear_offline(&mut self) {
        self.presence_due = false;
        if self.push_name().is_some() {
            // A connection too broken for it is noticed elsewhere.
            let _ = timeout(PRESENCE_TIMEOUT, self.client.presence().set_unavailable()).await;
        }
    }

    fn push_name(&self) -> Option<String> {
        Some(self.client.push_name()).filter(|name| !name.is_empty())
    }

    /// Unlinks the device at the network, if it can be reached in time.
    async fn unlink(&mut self) {
        if self.client.pn().is_some() && self.client.wait_for_connected(LOGOUT_TIMEOUT).await.is_ok() {
            let _ = timeout(LOGOUT_TIMEOUT, self.client.logout()).await;
        }
    }

    /// Puts the client away: what it still holds goes to the disk, and after that nothing more does.
    async fn finish(mut self) {
        self.link.client.send_replace(None);
        if timeout(CLOSE_TIMEOUT, self.client.disconnect()).await.is_err() {
            tracing::warn!(
                session.id = %self.link.spec.id,
                tenant.id = %self.link.spec.tenant_id,
                "the session's client took too long to close; the rest is dropped"
            );
        }
        self.closed = true;
        if !self.task.is_finished() {
            let _ = timeout(CLOSE_TIMEOUT, &mut self.task).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.link.client.send_replace(None);
        if let Some(question) = self.question.take() {
            question.abort();
        }
        self.client.signal_shutdown_sync();
        self.task.abort();
        // What its stray tasks still want to write would mix with the next client's, or outlive a `forget`.
        self.backend.seal();
        // The client holds itself until its transport is closed, and closing takes a moment that a drop does not have.
        if !self.closed
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let client = self.client.clone();
            runtime.spawn(async move { timeout(CLOSE_TIMEOUT, client.disconnect()).await });
        }
    }
}
