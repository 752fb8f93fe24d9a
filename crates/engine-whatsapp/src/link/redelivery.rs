//! When to make a connection anew so that WhatsApp brings what could not be stored. Free of I/O.
//!
//! The first time at once; while it keeps failing the pauses double up to [`PAUSE`]'s second: a database that is away
//! for long must not become a storm of logins.

use std::time::Duration;

use tokio::time::Instant;

/// The first and the longest pause between two connections that are made for this.
const PAUSE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(1));

/// What is due, and how patient it is by now.
#[derive(Debug)]
pub(super) struct Redelivery {
    owed: bool,
    pause: Duration,
    not_before: Option<Instant>,
}

impl Default for Redelivery {
    fn default() -> Self {
        Self { owed: false, pause: PAUSE.0, not_before: None }
    }
}

impl Redelivery {
    /// Looks at a connection that is ready; `failed` where something could not be stored since the last look. `true`
    /// where it is time for a new one.
    pub(super) fn is_due(&mut self, failed: bool, now: Instant) -> bool {
        self.owed |= failed;
        if !self.owed || self.not_before.is_some_and(|moment| now < moment) {
            return false;
        }
        if self.not_before.is_some_and(|moment| now - moment > PAUSE.1) {
            self.pause = PAUSE.0;
        }
        self.owed = false;
        self.not_before = Some(now + self.pause);
        self.pause = (self.pause * 2).min(PAUSE.1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, secs: u64) -> Instant {
        start + Duration::from_secs(secs)
    }

    #[test]
    fn nothing_failed_and_nothing_is_due() {
        let mut redelivery = Redelivery::default();
        assert!(!redelivery.is_due(false, Instant::now()));
    }

    #[test]
    fn a_failure_is_due_once() {
        let (mut redelivery, start) = (Redelivery::default(), Instant::now());
        assert!(redelivery.is_due(true, start));
        assert!((1..100).all(|secs| !redelivery.is_due(false, after(start, secs))));
    }

    #[test]
    fn a_failure_during_a_pause_is_due_after_it_and_pauses_double_up_to_a_minute() {
        let (mut redelivery, start) = (Redelivery::default(), Instant::now());
        let due: Vec<u64> = (0..240).filter(|secs| redelivery.is_due(true, after(start, *secs))).collect();
        assert_eq!(due, [0, 5, 15, 35, 75, 135, 195]);
        assert!(redelivery.is_due(true, after(start, 1000)), "long ago");
        assert!(redelivery.is_due(true, after(start, 1005)), "a new trouble starts with short pauses");
    }
}
