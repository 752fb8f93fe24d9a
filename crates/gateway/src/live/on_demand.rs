//! A task that exists only while there is work for it, so that thousands of idle sessions cost no task each.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The place where work and worker meet. An [`OnDemand::ask`] is never lost: either it starts the task, or the running
/// task sees it before it rests.
#[derive(Debug, Default)]
pub(crate) struct OnDemand {
    state: Mutex<Activity>,
    changed: Notify,
    rested: Notify,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Activity {
    #[default]
    Resting,
    Working,
    /// Working, and asked again since it last looked.
    Asked,
}

impl OnDemand {
    /// Says that there is work. `true` where nobody is at it: the caller then starts the task.
    #[must_use]
    pub(crate) fn ask(&self) -> bool {
        let mut state = self.state();
        let start = *state == Activity::Resting;
        *state = if start { Activity::Working } else { Activity::Asked };
        drop(state);
        if !start {
            self.changed.notify_one();
        }
        start
    }

    /// Makes a waiting task look around without claiming that there is new work.
    pub(crate) fn nudge(&self) {
        self.changed.notify_one();
    }

    /// For the task: whether it was asked since it last looked.
    pub(crate) fn take(&self) -> bool {
        let mut state = self.state();
        std::mem::replace(&mut *state, Activity::Working) == Activity::Asked
    }

    /// For the task: rests. `false` where it was asked meanwhile and must go on.
    #[must_use]
    pub(crate) fn rest(&self) -> bool {
        let mut state = self.state();
        let rests = *state != Activity::Asked;
        *state = if rests { Activity::Resting } else { Activity::Working };
        drop(state);
        if rests {
            self.rested.notify_waiters();
        }
        rests
    }

    /// For the task: waits until it is asked or nudged. Cancel-safe.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Waits until the task rests.
    pub(crate) async fn rested(&self) {
        loop {
            let rested = self.rested.notified();
            if *self.state() == Activity::Resting {
                return;
            }
            rested.await;
        }
    }

    /// A task that broke off may not leave its place taken.
    pub(crate) fn break_off(&self) {
        *self.state() = Activity::Resting;
        self.rested.notify_waiters();
    }

    fn state(&self) -> MutexGuard<'_, Activity> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ask_starts_the_task_once() {
        let place = OnDemand::default();
        assert!(place.ask());
        assert!(!place.ask());
        assert!(place.take());
        assert!(!place.take());
        assert!(place.rest());
        assert!(place.ask());
    }

    #[test]
    fn an_ask_before_the_rest_keeps_the_task_at_work() {
        let place = OnDemand::default();
        assert!(place.ask());
        assert!(!place.ask());
        assert!(!place.rest());
        assert!(place.rest());
    }

    #[tokio::test]
    async fn whoever_waits_for_the_rest_is_told() {
        let place = OnDemand::default();
        place.rested().await;
        assert!(place.ask());
        let (rests, ()) = tokio::join!(async { place.rest() }, place.rested());
        assert!(rests);
    }
}
