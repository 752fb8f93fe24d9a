//! What waits to be written to one connection.
//!
//! The promise: a connection that does not read costs at most [`MAX_STANZAS`] stanzas and
//! [`MAX_BYTES`] bytes; the next one closes it. Nothing is lost by that, because everything that has
//! to arrive sits in the device's mailbox until its receipt.

use crate::network::Gate;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Stanzas that may wait for one connection.
pub(crate) const MAX_STANZAS: usize = 8192;
/// Bytes that may wait for one connection.
pub(crate) const MAX_BYTES: usize = 32 << 20;

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// What the writer is told.
pub(crate) enum Out {
    /// A marshalled stanza.
    Stanza(Bytes),
    /// A marshalled stanza on a slow link, and when it is due.
    Later(Bytes, Instant),
    /// Close once everything before this was written, and the client had time to read it.
    Close,
    /// Close once everything before this was written.
    HangUp,
}

/// The sending side, shared by everyone who has something for the connection.
pub(crate) struct Outbox {
    id: u64,
    queue: mpsc::Sender<Out>,
    waiting: Arc<AtomicUsize>,
    finishing: AtomicBool,
    closed: CancellationToken,
    gate: Arc<Gate>,
}

/// The writer's side.
pub(crate) struct Outgoing {
    pub(crate) queue: mpsc::Receiver<Out>,
    waiting: Arc<AtomicUsize>,
}

/// A new queue. `closed` is cancelled when the queue overflows, or by anyone to end the connection.
pub(crate) fn outbox(closed: CancellationToken, gate: Arc<Gate>) -> (Arc<Outbox>, Outgoing) {
    let (sender, queue) = mpsc::channel(MAX_STANZAS);
    let waiting = Arc::new(AtomicUsize::new(0));
    let outbox = Outbox {
        id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
        queue: sender,
        waiting: Arc::clone(&waiting),
        finishing: AtomicBool::new(false),
        closed,
        gate,
    };
    (Arc::new(outbox), Outgoing { queue, waiting })
}

impl Outbox {
    /// Identifies the connection among those a device has had.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Queues a stanza; an overflow closes the connection.
    pub(crate) fn push(&self, stanza: Bytes) {
        let size = stanza.len();
        let before = self.waiting.fetch_add(size, Ordering::Relaxed);
        let fits = before == 0 || before + size <= MAX_BYTES;
        let out = match self.gate.due() {
            None => Out::Stanza(stanza),
            Some(due) => Out::Later(stanza, due),
        };
        if !fits || self.queue.try_send(out).is_err() {
            if !self.closed.is_cancelled() {
                tracing::info!(connection.id = self.id, "closing a connection that does not read");
            }
            self.closed.cancel();
        }
    }

    /// Closes after what is queued so far was written. What the client still says is not heard.
    pub(crate) fn finish(&self) {
        self.finishing.store(true, Ordering::Release);
        if self.queue.try_send(Out::Close).is_err() {
            self.closed.cancel();
        }
    }

    /// Like [`finish`](Self::finish), without giving the client time to hang up first.
    pub(crate) fn hang_up(&self) {
        self.finishing.store(true, Ordering::Release);
        if self.queue.try_send(Out::HangUp).is_err() {
            self.closed.cancel();
        }
    }

    /// Whether [`finish`](Self::finish) was called.
    pub(crate) fn is_finishing(&self) -> bool {
        self.finishing.load(Ordering::Acquire)
    }

    /// Closes at once.
    pub(crate) fn cut(&self) {
        self.closed.cancel();
    }
}

impl Outgoing {
    /// Tells the queue that `bytes` left it.
    pub(crate) fn wrote(&self, bytes: usize) {
        self.waiting.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn overflow_by_count_or_bytes_closes() {
        for (stanza, times) in [(1, MAX_STANZAS + 1), (MAX_BYTES / 2 + 1, 2)] {
            let closed = CancellationToken::new();
            let (outbox, _outgoing) = outbox(closed.clone(), Arc::default());
            let stanza = Bytes::from(vec![0; stanza]);
            for sent in 0..times {
                assert!(!closed.is_cancelled(), "closed after {sent}");
                outbox.push(stanza.clone());
            }
            assert!(closed.is_cancelled());
        }
    }
}
