//! The writing half of a connection.

use super::{FRAME_OVERHEAD, Sink, put_length};
use crate::network::Gate;
use crate::outbox::{Out, Outgoing};
use bytes::{BufMut as _, BytesMut};
use futures::SinkExt as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;
use wacore_noise::NoiseCipher;
use wacore_noise::framing::FRAME_MAX_SIZE;

/// Frames written as one WebSocket message.
const COALESCED: usize = 128;
/// Between the last stanza and the close frame.
const CLOSE_GRACE: Duration = Duration::from_secs(1);

pub(super) struct Writer<S> {
    pub(super) sink: Sink<S>,
    pub(super) cipher: NoiseCipher,
    pub(super) counter: u32,
    pub(super) closed: CancellationToken,
    pub(super) gate: Arc<Gate>,
}

impl<S> Writer<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    /// Writes what is queued, as much as there is at a time, until told to stop.
    pub(super) async fn run(mut self, mut outgoing: Outgoing, timeout: Duration) {
        let mut batch = Vec::with_capacity(COALESCED);
        let mut scratch = Vec::new();
        let mut finished = false;
        while !finished {
            batch.clear();
            let taken = tokio::select! {
                taken = outgoing.queue.recv_many(&mut batch, COALESCED) => taken,
                () = self.closed.cancelled() => break,
            };
            if taken == 0 {
                break;
            }
            let mut out = BytesMut::new();
            for item in batch.drain(..) {
                match item {
                    Out::Stanza(stanza) | Out::Later(stanza, _) if !self.gate.lets_out(&stanza) => {
                        outgoing.wrote(stanza.len());
                    }
                    Out::Later(stanza, due) => {
                        outgoing.wrote(stanza.len());
                        let ready = std::mem::take(&mut out);
                        if !self.write_late(ready, &stanza, due, &mut scratch, timeout).await {
                            return self.end(false).await;
                        }
                    }
                    Out::Stanza(stanza) => {
                        outgoing.wrote(stanza.len());
                        if self.seal(&stanza, &mut scratch, &mut out).is_none() {
                            finished = true;
                            break;
                        }
                    }
                    Out::Close => {
                        finished = true;
                        break;
                    }
                    Out::HangUp => {
                        if !out.is_empty() {
                            self.write(out, timeout).await;
                        }
                        return self.end(false).await;
                    }
                }
            }
            if !out.is_empty() && !self.write(out, timeout).await {
                break;
            }
        }
        self.end(finished).await;
    }

    async fn end(mut self, finished: bool) {
        if finished {
            // Clients hang up by themselves after a `stream:error`, and Baileys takes a close that comes
            // right behind it for a broken connection.
            tokio::select! {
                () = tokio::time::sleep(CLOSE_GRACE) => {}
                () = self.closed.cancelled() => {}
            }
        }
        self.closed.cancel();
        // A client that does not answer the close frame must not keep the task alive.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.sink.close()).await;
    }

    /// Writes what is ready, and then one stanza when it is due, as fast as the link is.
    async fn write_late(
        &mut self,
        ready: BytesMut,
        stanza: &[u8],
        due: Instant,
        scratch: &mut Vec<u8>,
        timeout: Duration,
    ) -> bool {
        if !ready.is_empty() && !self.write(ready, timeout).await {
            return false;
        }
        let closed = self.closed.clone();
        tokio::select! {
            () = tokio::time::sleep_until(due) => {}
            () = closed.cancelled() => return false,
        }
        // It may have fallen silent meanwhile.
        if !self.gate.lets_out(stanza) {
            return true;
        }
        let mut out = BytesMut::new();
        let sealed = self.seal(stanza, scratch, &mut out).is_some();
        let size = out.len();
        if !sealed || (size > 0 && !self.write(out, timeout).await) {
            return false;
        }
        tokio::select! {
            () = self.gate.pace(size) => true,
            () = closed.cancelled() => false,
        }
    }

    fn seal(&mut self, stanza: &[u8], scratch: &mut Vec<u8>, out: &mut BytesMut) -> Option<()> {
        if stanza.is_empty() || stanza.len() + FRAME_OVERHEAD >= FRAME_MAX_SIZE {
            return Some(());
        }
        scratch.clear();
        scratch.extend_from_slice(stanza);
        self.cipher.encrypt_in_place_with_counter(self.counter, scratch).ok()?;
        self.counter = self.counter.checked_add(1)?;
        put_length(out, scratch.len());
        out.put_slice(scratch);
        Some(())
    }

    async fn write(&mut self, out: BytesMut, timeout: Duration) -> bool {
        let sending = self.sink.send(Message::Binary(out.freeze()));
        tokio::select! {
            sent = tokio::time::timeout(timeout, sending) => {
                if let Ok(sent) = sent {
                    sent.is_ok()
                } else {
                    tracing::info!("closing a connection that does not read");
                    false
                }
            }
            () = self.closed.cancelled() => false,
        }
    }
}
