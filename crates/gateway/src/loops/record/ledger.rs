//! How far the receipts of one session are on disk, for the engine's gate ([`waypost_engine::EventSink::recorded`]).

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// Counts receipts in and out of the recorder's queue. They leave it in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    posted: AtomicU64,
    settled: AtomicU64,
    changed: Notify,
}

impl Ledger {
    /// A receipt is about to enter the queue. Said before it does, so that no mark misses it.
    pub(crate) fn post(&self) {
        self.posted.fetch_add(1, Ordering::AcqRel);
    }

    /// A receipt left the queue: it is on disk, or never will be.
    pub(crate) fn settle(&self) {
        self.settled.fetch_add(1, Ordering::AcqRel);
        self.changed.notify_waiters();
    }

    /// A mark behind every receipt that was posted so far.
    pub(crate) fn mark(&self) -> u64 {
        self.posted.load(Ordering::Acquire)
    }

    /// Waits until every receipt before `mark` left the queue.
    pub(crate) async fn reached(&self, mark: u64) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.settled.load(Ordering::Acquire) >= mark {
                return;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_mark_is_reached_when_all_before_it_left_the_queue() {
        let ledger = Ledger::default();
        ledger.reached(ledger.mark()).await;
        ledger.post();
        ledger.post();
        let both = ledger.mark();
        ledger.post();
        ledger.settle();
        assert!(ledger.reached(both).now_or_never().is_none());
        let ((), ()) = tokio::join!(ledger.reached(both), async { ledger.settle() });
        assert!(ledger.reached(ledger.mark()).now_or_never().is_none());
    }
}
