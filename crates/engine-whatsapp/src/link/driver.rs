//! The task that owns a session's client from connect to disconnect.
//!
//! whatsapp-rust makes a lost connection again by itself. The driver does what it leaves undone: it saves the
//! credentials before it says `Linked`, keeps the account from looking online, notices a connection that went without an
//! event, and starts a new client where one gave up without a reason (a panic, a store that failed for long).

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval_at, timeout},
};
use wacore::{store::traits::DeviceStore as _, types::events::PairSuccess};
use waypost_engine::{EndReason, EngineEvent};
use whatsapp_rust::Client;

use super::{
    Command, LinkCore,
    client::{Built, build},
    events::{Change, Events, MAX_WAITING},
};
use crate::{backend::SessionBackend, inbound, jid};

/// How often the connection is looked at.
const CHECK_EVERY: Duration = Duration::from_secs(5);
/// How long a client may take to put itself away: two flushes of 5 s each and some.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a logout may wait for a login, and then for the server's answer.
const LOGOUT_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a word about presence may take.
const PRESENCE_TIMEOUT: Duration = Duration::from_secs(5);
/// The first and the longest wait before a client that gave up is replaced.
const RESTART_WAIT: (Duration, Duration) = (Duration::from_secs(2), Duration::from_mins(5));

/// How a client ended.
enum End {
    /// As it was told.
    Told,
    /// The network ended it.
    Network(EndReason),
    /// No phone scanned a QR code.
    QrExhausted,
    /// It gave up, and another is to take its place.
    GaveUp(String),
}

/// Keeps the session connected until it is told to stop or the network ends it.
pub(super) async fn drive(link: Arc<LinkCore>, mut orders: watch::Receiver<Option<Command>>) {
    let mut wait = RESTART_WAIT.0;
    loop {
        link.post(EngineEvent::Connecting);
        let started = Instant::now();
        let reason = match run(&link, &mut orders).await {
            End::Told => return,
            End::Network(reason) => {
                if reason == EndReason::ClientOutdated {
                    link.shared.versions.refused().await;
                }
                return link.post(EngineEvent::Ended(reason));
            }
            End::QrExhausted => return link.post(EngineEvent::QrExhausted),
            End::GaveUp(reason) => reason,
        };
        tracing::warn!(
            session.id = %link.spec.id,
            tenant.id = %link.spec.tenant_id,
            reason,
            "the session's client gave up; another takes its place"
        );
        link.post(EngineEvent::ConnectionLost { reason: "the client failed".to_owned() });
        if started.elapsed() > RESTART_WAIT.1 {
            wait = RESTART_WAIT.0;
        }
        if timeout(wait, told(&mut orders)).await.is_ok() {
            return;
        }
        wait = (wait * 2).min(RESTART_WAIT.1);
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
    let backend = SessionBackend::new(link.shared.store.keys(link.spec.id), link.shared.env.clone());
    matches!(backend.load().await, Ok(Some(device)) if device.pn.is_some())
}

/// Builds a client and runs it to its end.
async fn run(link: &Arc<LinkCore>, orders: &mut watch::Receiver<Option<Command>>) -> End {
    let version = tokio::select! {
        biased;
        // An order to log out still needs a client.
        () = told_to_close(orders) => return End::Told,
        version = link.shared.versions.current() => version,
    };
    let built = match build(link, version).await {
        Ok(built) => built,
        Err(error) => return End::GaveUp(error),
    };
    let (changes, waiting) = mpsc::channel(MAX_WAITING);
    built.client.subscribe_handler(Arc::new(Events::new(Arc::clone(link), &built.client, changes))).detach();
    let mut session = Running::start(link, built, waiting);
    let end = session.watch(orders).await;
    session.finish().await;
    end
}

/// A running client. Dropped before [`Running::finish`], it leaves without a word.
#[expect(clippy::struct_excessive_bools, reason = "four facts that come and go independently of each other")]
struct Running {
    link: Arc<LinkCore>,
    client: Arc<Client>,
    backend: Arc<SessionBackend>,
    changes: mpsc::Receiver<Change>,
    /// The client's own loop. In a task of its own, so that waiting here never holds it up and its panic is not ours.
    task: JoinHandle<()>,
    /// Whether `Connected` was said and not taken back.
    connected: bool,
    /// Whether the loss of the connection was told already.
    lost: bool,
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
            lost: false,
            presence_due: false,
            closed: false,
        }
    }

    /// Follows the client until it ends or is told to.
    async fn watch(&mut self, orders: &mut watch::Receiver<Option<Command>>) -> End {
        let mut check = interval_at(Instant::now() + CHECK_EVERY, CHECK_EVERY);
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
                _ = check.tick() => {
                    if self.client.persistence_manager().is_saver_halted() {
                        return End::GaveUp("its credentials could not be saved".to_owned());
                    }
                    self.check_connection().await;
                }
            }
        }
    }

    /// Follows one change; returns the end where it is one.
    async fn apply(&mut self, change: Change) -> Option<End> {
        match change {
            Change::Qr { code, lasts } => {
                self.lost = false;
                let expires_at = self.link.shared.env.now().plus(lasts);
                self.link.post(EngineEvent::Qr { code, expires_at });
            }
            Change::QrExhausted => return Some(End::QrExhausted),
            Change::Paired(paired) => return self.linked(&paired).await,
            Change::Connected => {
                (self.connected, self.lost) = (true, false);
                self.link.post(EngineEvent::Connected { push_name: self.push_name() });
                self.appear_offline().await;
            }
            Change::Renamed => self.presence_due = true,
            Change::Lost(reason) => self.lost(reason),
            Change::Ended(reason) => return Some(End::Network(reason)),
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
        if let Err(error) = self.client.persistence_manager().flush().await {
            return Some(End::GaveUp(format!("the new credentials could not be saved: {error}")));
        }
        let Some(phone_number) = jid::from_wire(&paired.id).and_then(|jid| jid.phone_number()) else {
            return Some(End::Network(EndReason::Refused {
                reason: "linked to an account without a number".to_owned(),
            }));
        };
        let lid = jid::from_wire(&paired.lid);
        self.link.post(EngineEvent::Linked { phone_number, lid, push_name: self.push_name() });
        None
    }

    fn lost(&mut self, reason: String) {
        self.connected = false;
        if std::mem::replace(&mut self.lost, true) {
            return;
        }
        self.link.post(EngineEvent::ConnectionLost { reason });
        self.link.post(EngineEvent::Connecting);
    }

    /// Notices what no event tells: a connection that cannot be made, and one that the client itself takes down and
    /// makes again.
    async fn check_connection(&mut self) {
        if !self.connected && !self.client.is_connected() {
            self.lost("WhatsApp cannot be reached".to_owned());
        }
        if self.connected && !(self.client.is_connected() && self.client.is_logged_in()) {
            self.lost("the connection is being made again".to_owned());
        }
        if self.connected && self.presence_due {
            self.appear_offline().await;
        }
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
