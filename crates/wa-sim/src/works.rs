//! What is being worked on: lets a save wait until everything that was taken in is finished, and holds
//! back what comes meanwhile, so that what is written fits together.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// See the module's head.
#[derive(Default)]
pub(crate) struct Works {
    busy: AtomicUsize,
    paused: AtomicBool,
    idle: Notify,
    resumed: Notify,
}

/// Something is being worked on while this lives.
pub(crate) struct AtWork<'w>(&'w Works);

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Works {
    /// Begins something that follows from what was begun before, and so does not wait.
    pub(crate) fn begin(&self) {
        self.busy.fetch_add(1, Ordering::SeqCst);
    }

    /// Ends what [`begin`](Self::begin) began.
    pub(crate) fn end(&self) {
        if self.busy.fetch_sub(1, Ordering::SeqCst) == 1 && self.paused.load(Ordering::SeqCst) {
            self.idle.notify_waiters();
        }
    }

    /// Begins something from outside; waits while a save is going on.
    pub(crate) async fn enter(&self) -> AtWork<'_> {
        loop {
            if let Some(at_work) = self.try_enter() {
                return at_work;
            }
            let resumed = self.resumed.notified();
            tokio::pin!(resumed);
            resumed.as_mut().enable();
            if self.paused.load(Ordering::SeqCst) {
                resumed.await;
            }
        }
    }

    /// Like [`enter`](Self::enter), but gives nothing while a save is going on.
    pub(crate) fn try_enter(&self) -> Option<AtWork<'_>> {
        self.begin();
        let at_work = AtWork(self);
        (!self.paused.load(Ordering::SeqCst)).then_some(at_work)
    }

    /// Holds back what is new and waits for what was begun; false when that took too long.
    pub(crate) async fn pause(&self, patience: Duration) -> bool {
        self.paused.store(true, Ordering::SeqCst);
        let deadline = Instant::now() + patience;
        loop {
            let idle = self.idle.notified();
            tokio::pin!(idle);
            idle.as_mut().enable();
            if self.busy.load(Ordering::SeqCst) == 0 {
                return true;
            }
            if tokio::time::timeout_at(deadline, idle).await.is_err() {
                return false;
            }
        }
    }

    pub(crate) fn resume(&self) {
        self.paused.store(false, Ordering::SeqCst);
        self.resumed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test]
    async fn a_pause_waits_for_what_was_begun_and_holds_back_the_rest() {
        let works = Arc::new(Works::default());
        let before = works.enter().await;
        assert!(!works.pause(Duration::from_millis(20)).await, "something is being worked on");
        assert!(works.try_enter().is_none());
        drop(before);
        assert!(works.pause(Duration::from_secs(5)).await);
        let later = tokio::spawn({
            let works = Arc::clone(&works);
            async move { drop(works.enter().await) }
        });
        tokio::task::yield_now().await;
        assert!(!later.is_finished());
        works.resume();
        later.await.unwrap();
    }
}
