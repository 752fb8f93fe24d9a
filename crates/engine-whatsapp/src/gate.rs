//! The gate in front of a connection: no confirmation of a receipt leaves before the receipt is on disk.
//!
//! WhatsApp keeps a receipt until the client confirms it, and then never says it again. The client confirms receipts by
//! itself, whatever their handler did (docs/protocol.md, "Receiving and receipts"), so a process killed in that moment
//! would have lost one for good, and a delivered message would be shown as `sent` for ever. But the client calls the
//! handler first and writes the confirmation afterwards. So it is enough that no bytes pass before the receipts that
//! were posted ahead of them are written: each frame carries a mark ([`EventSink::mark`]), and waits for it.
//!
//! Frames keep their order, which the cipher demands; those that carry messages wait along. While no receipt is on its
//! way to the disk nothing waits.
//!
//! Nothing leaves at all on a connection that is spoiled ([`crate::lines`]): among it could be the word that a message
//! cannot be read, which was only not read because the database was away.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use wacore::net::{Transport, TransportEvent, TransportFactory};
use waypost_domain::{ConnectionId, SessionId};
use waypost_engine::EventSink;
use whatsapp_rust::{anyhow, async_trait};

use crate::{lines::Lines, ratchet::Ratchet};

/// How many frames may wait in front of the gate; past it the client waits, as it would for a slow socket. It sends at
/// most eight messages in one frame.
const WAITING: usize = 256;
/// How long a connection that is closed may take to write what waits.
const DRAIN: Duration = Duration::from_secs(2);

/// Makes connections with a gate each, one at a time ([`Lines`]).
pub(crate) struct GatedFactory {
    inner: Arc<dyn TransportFactory>,
    sink: Arc<dyn EventSink>,
    ratchet: Arc<Ratchet>,
    lines: Arc<Lines>,
    session: SessionId,
}

impl GatedFactory {
    /// Puts a gate in front of the connections of `session`.
    pub(crate) fn new(
        inner: Arc<dyn TransportFactory>,
        sink: Arc<dyn EventSink>,
        ratchet: Arc<Ratchet>,
        lines: Arc<Lines>,
        session: SessionId,
    ) -> Self {
        Self { inner, sink, ratchet, lines, session }
    }
}

#[async_trait]
impl TransportFactory for GatedFactory {
    async fn create_transport(
        &self,
    ) -> anyhow::Result<(Arc<dyn Transport>, whatsapp_rust::async_channel::Receiver<TransportEvent>)> {
        self.lines.begin().await;
        let on = self.lines.present();
        let (inner, events) = self.inner.create_transport().await?;
        self.lines.opened(&inner);
        let (frames, waiting) = mpsc::channel(WAITING);
        let way = Way {
            inner: inner.clone(),
            sink: self.sink.clone(),
            ratchet: self.ratchet.clone(),
            lines: self.lines.clone(),
            on,
            session: self.session,
        };
        let passing = tokio::spawn(way.pass(waiting));
        let line = Mutex::new(Some(Line { frames, passing }));
        let gated = Gated { inner, sink: self.sink.clone(), session: self.session, line };
        Ok((Arc::new(gated), events))
    }
}

/// A frame, and the mark it waits for.
struct Frame {
    mark: u64,
    bytes: Bytes,
}

/// A connection behind its gate.
struct Gated {
    inner: Arc<dyn Transport>,
    sink: Arc<dyn EventSink>,
    session: SessionId,
    /// The way to the gate, until the connection is closed.
    line: Mutex<Option<Line>>,
}

struct Line {
    frames: mpsc::Sender<Frame>,
    passing: JoinHandle<()>,
}

impl Gated {
    fn take_line(&self) -> Option<Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What lies behind the gate of one connection.
struct Way {
    inner: Arc<dyn Transport>,
    sink: Arc<dyn EventSink>,
    ratchet: Arc<Ratchet>,
    lines: Arc<Lines>,
    on: ConnectionId,
    session: SessionId,
}

impl Way {
    /// Lets frames pass in their order, each when its mark is reached.
    async fn pass(self, mut waiting: mpsc::Receiver<Frame>) {
        let session = self.session;
        while let Some(frame) = waiting.recv().await {
            self.sink.recorded(session, frame.mark).await;
            self.ratchet.save(session).await;
            if self.lines.is_spoiled(self.on) {
                // Dropped, as on a network that broke.
                continue;
            }
            if let Err(error) = self.inner.send(frame.bytes).await {
                // The client hears of the broken connection from its reading end.
                tracing::debug!(session.id = %session, %error, "a connection broke while it was written to");
                return;
            }
        }
    }
}

#[async_trait]
impl Transport for Gated {
    async fn send(&self, data: Bytes) -> anyhow::Result<()> {
        let frames = {
            let line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
            line.as_ref().map(|line| line.frames.clone())
        };
        let closed = || anyhow::anyhow!("the connection is closed");
        let frame = Frame { mark: self.sink.mark(self.session), bytes: data };
        frames.ok_or_else(closed)?.send(frame).await.map_err(|_| closed())
    }

    async fn disconnect(&self) {
        if let Some(Line { frames, mut passing }) = self.take_line() {
            drop(frames);
            if timeout(DRAIN, &mut passing).await.is_err() {
                passing.abort();
            }
        }
        self.inner.disconnect().await;
    }

    fn resource_report(&self) -> Option<wacore::stats::TransportResourceReport> {
        self.inner.resource_report()
    }
}

impl Drop for Gated {
    fn drop(&mut self) {
        // Whoever drops a connection without closing it does not wait for what it still had to say.
        if let Some(line) = self.take_line() {
            line.passing.abort();
        }
    }
}
