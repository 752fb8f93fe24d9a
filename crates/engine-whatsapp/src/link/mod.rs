//! One session's line to WhatsApp.
//!
//! [`WhatsappLink`] is what the gateway holds. While it is connected, a [`driver`] task owns the client: it builds it,
//! watches it, turns its events into ours in the order they came, and puts it away. Commands reach the driver through a
//! channel; sends go straight to the client.

mod client;
mod doubt;
mod driver;
mod events;
mod liveness;
mod lookup;
mod pairing;
mod questions;
mod redelivery;

pub(crate) use doubt::Unlinked;

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use async_trait::async_trait;
use tokio::{sync::watch, task::JoinHandle};
use waypost_domain::{ConnectionId, MessageEvent, NumberFound, Outgoing, PhoneNumber, SessionEvent};
use waypost_engine::{EventSink, Link, LinkError, PairingCode, SendFailure, SessionSpec};
use whatsapp_rust::{Client, SendOptions};

use crate::{
    engine::Shared,
    jid,
    lines::{Lines, Sending},
    outgoing, verdict,
};

/// A session's link.
pub(crate) struct WhatsappLink {
    core: Arc<LinkCore>,
}

impl WhatsappLink {
    pub(crate) fn new(core: Arc<LinkCore>) -> Self {
        Self { core }
    }
}

impl Drop for WhatsappLink {
    fn drop(&mut self) {
        self.core.quiet.store(true, Ordering::Release);
        self.core.abandon();
    }
}

#[async_trait]
impl Link for WhatsappLink {
    async fn connect(&self) -> Result<(), LinkError> {
        self.core.connect().await
    }

    async fn pairing_code(&self, number: &PhoneNumber) -> Result<PairingCode, LinkError> {
        pairing::pairing_code(&self.core, number).await
    }

    async fn send(&self, on: ConnectionId, message: &Outgoing) -> Result<(), SendFailure> {
        self.core.send(on, message).await
    }

    async fn lookup(&self, numbers: &[PhoneNumber]) -> Result<Vec<NumberFound>, LinkError> {
        lookup::lookup(&self.core, numbers).await
    }

    async fn disconnect(&self) {
        self.core.close().await;
    }

    async fn logout(&self) {
        self.core.logout().await;
    }
}

/// What the link, its driver and the client's callbacks share.
pub(crate) struct LinkCore {
    shared: Arc<Shared>,
    spec: SessionSpec,
    sink: Arc<dyn EventSink>,
    /// The running client, for sends. The driver puts it here and takes it away.
    client: watch::Sender<Option<Arc<Client>>>,
    /// The connections that the link makes.
    lines: Arc<Lines>,
    /// The running driver. Its lock is held while it is stopped, so that connects and disconnects take turns.
    driver: tokio::sync::Mutex<Option<Driver>>,
    /// Aborts the driver where nobody can wait for it any more.
    abort: Mutex<Option<tokio::task::AbortHandle>>,
    /// Nobody wants to hear of this link any more: it is being logged out, or was dropped.
    quiet: AtomicBool,
    /// How many messages were written to connections.
    sent: AtomicU64,
    /// How many answers to messages came in: acknowledgements, refusals, receipts.
    answered: AtomicU64,
}

struct Driver {
    orders: watch::Sender<Option<Command>>,
    task: JoinHandle<()>,
}

/// What a driver can be told; either way it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    /// Close the connection.
    Close,
    /// Unlink the device, then close the connection.
    Logout,
}

impl LinkCore {
    pub(crate) fn new(shared: Arc<Shared>, spec: SessionSpec, sink: Arc<dyn EventSink>) -> Self {
        Self {
            shared,
            spec,
            sink,
            client: watch::Sender::new(None),
            lines: Arc::default(),
            driver: tokio::sync::Mutex::new(None),
            abort: Mutex::new(None),
            quiet: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            answered: AtomicU64::new(0),
        }
    }

    async fn connect(self: &Arc<Self>) -> Result<(), LinkError> {
        let mut driver = self.driver.lock().await;
        self.quiet.store(false, Ordering::Release);
        self.start(&mut driver)
    }

    /// Starts a driver unless one runs.
    fn start(self: &Arc<Self>, driver: &mut Option<Driver>) -> Result<(), LinkError> {
        if driver.as_ref().is_some_and(|driver| !driver.task.is_finished()) {
            return Ok(());
        }
        if self.shared.transport.is_none() {
            return Err(LinkError::Unavailable(
                "This build is for simulators and never connects to WhatsApp. Set the simulator's address".to_owned(),
            ));
        }
        let (orders, heard) = watch::channel(None);
        let task = tokio::spawn(driver::drive(Arc::clone(self), heard));
        *self.abort.lock().unwrap_or_else(PoisonError::into_inner) = Some(task.abort_handle());
        *driver = Some(Driver { orders, task });
        Ok(())
    }

    /// Closes the connection and returns when it is closed.
    pub(crate) async fn close(&self) {
        let mut driver = self.driver.lock().await;
        stop(&mut driver, Command::Close).await;
    }

    async fn logout(self: &Arc<Self>) {
        let mut driver = self.driver.lock().await;
        // From here on the gateway knows better than any event what the session's state is.
        self.quiet.store(true, Ordering::Release);
        if driver::is_linked(self).await && self.start(&mut driver).is_ok() {
            stop(&mut driver, Command::Logout).await;
        } else {
            stop(&mut driver, Command::Close).await;
        }
    }

    /// Drops the connection without a word.
    fn abandon(&self) {
        if let Some(abort) = self.abort.lock().unwrap_or_else(PoisonError::into_inner).take() {
            abort.abort();
        }
    }

    fn warn(&self, reason: &str, what: &'static str) {
        tracing::warn!(session.id = %self.spec.id, tenant.id = %self.spec.tenant_id, reason, "{what}");
    }

    fn running_client(&self) -> Option<Arc<Client>> {
        self.client.borrow().clone()
    }

    fn message_event(&self, event: MessageEvent) {
        if !self.quiet.load(Ordering::Acquire) {
            self.sink.message_event(self.spec.id, event);
        }
    }

    fn session_event(&self, event: SessionEvent) {
        if !self.quiet.load(Ordering::Acquire) {
            self.sink.session_event(self.spec.id, event);
        }
    }

    async fn send(&self, on: ConnectionId, message: &Outgoing) -> Result<(), SendFailure> {
        let wire = outgoing::build(&message.content)?;
        let Some(client) = self.running_client() else {
            return Err(SendFailure::Park { reason: "not connected".to_owned() });
        };
        let options = SendOptions::default().with_message_id(message.wa_id.as_str());
        let sending = client.send_message_with_options(jid::to_wire(&message.to), wire, options);
        // Counted first: an answer may be here before the call returns.
        self.sent.fetch_add(1, Ordering::Relaxed);
        let sent = match self.lines.send(on, sending).await {
            // Cut off it may have been written: as good as sent, and unanswered.
            Sending::Done(Ok(_)) | Sending::CutOff => Ok(()),
            Sending::Done(Err(error)) => Err(verdict::send_failure(&error)),
            Sending::Elsewhere => Err(SendFailure::Park { reason: "another connection was made".to_owned() }),
        };
        if sent.is_err() {
            self.sent.fetch_sub(1, Ordering::Relaxed);
        }
        sent
    }
}

/// Tells a driver to end and waits until it has.
async fn stop(driver: &mut Option<Driver>, command: Command) {
    let Some(Driver { orders, task }) = driver.take() else { return };
    orders.send_replace(Some(command));
    // Its panic was reported by the panic hook; the connection is closed either way.
    let _ = task.await;
}
