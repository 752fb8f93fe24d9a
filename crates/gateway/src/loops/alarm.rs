//! Wakes a loop at the earliest of the times it was told.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use tokio::{sync::Notify, time::sleep};
use waypost_domain::{Env, Timestamp};

/// How often the clock is looked at while an alarm is set: it may be put forward or back.
const LOOK: Duration = Duration::from_millis(500);
const NEVER: i64 = i64::MAX;

/// See the module. Setting it is one atomic step, so that a caller of the API may do it at every message.
#[derive(Debug)]
pub(crate) struct Alarm {
    at: AtomicI64,
    earlier: Notify,
}

impl Default for Alarm {
    fn default() -> Self {
        Self { at: AtomicI64::new(NEVER), earlier: Notify::new() }
    }
}

impl Alarm {
    /// Rings at `at`, if not before.
    pub(crate) fn set(&self, at: Timestamp) {
        if self.at.fetch_min(at.as_millis(), Ordering::AcqRel) > at.as_millis() {
            self.earlier.notify_one();
        }
    }

    /// Forgets every time. Whoever waits for the alarm does so before it looks for what there is to do: what is set
    /// while it looks is kept.
    pub(crate) fn reset(&self) {
        self.at.store(NEVER, Ordering::Release);
    }

    /// Waits until the alarm rings. Cancel-safe.
    pub(crate) async fn rings(&self, env: &Env) {
        loop {
            let at = self.at.load(Ordering::Acquire);
            if at == NEVER {
                self.earlier.notified().await;
                continue;
            }
            let left = Timestamp::from_millis(at).since(env.now());
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = sleep(left.min(LOOK)) => {}
                () = self.earlier.notified() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use waypost_domain::env::{ManualClock, SystemEntropy};

    use super::*;

    async fn rings(alarm: &Alarm, env: &Env, within: Duration) -> bool {
        tokio::time::timeout(within, alarm.rings(env)).await.is_ok()
    }

    #[tokio::test]
    async fn it_rings_at_the_earliest_time_by_the_clock_it_is_given() {
        let start = Timestamp::from_secs(1_800_000_000);
        let clock = ManualClock::at(start);
        let env = Env::new(clock.clone(), SystemEntropy);
        let alarm = Alarm::default();
        for hours in [2, 1, 3] {
            alarm.set(start.plus(Duration::from_hours(hours)));
        }
        clock.advance(Duration::from_mins(59));
        assert!(!rings(&alarm, &env, Duration::from_millis(1)).await, "it is not time yet");
        // Whoever waits already sees the clock move.
        let (rang, ()) = tokio::join!(rings(&alarm, &env, LOOK * 20), async { clock.advance(Duration::from_mins(1)) });
        assert!(rang);
        alarm.reset();
        assert!(!rings(&alarm, &env, Duration::from_millis(1)).await, "nothing is set");
    }

    #[tokio::test]
    async fn whoever_waits_hears_of_an_earlier_time() {
        let env = Env::system();
        let alarm = Alarm::default();
        alarm.set(env.now().plus(Duration::from_hours(1)));
        let earlier = async { alarm.set(env.now().minus(Duration::from_secs(1))) };
        let (rang, ()) = tokio::join!(rings(&alarm, &env, LOOK * 20), earlier);
        assert!(rang);
    }
}
