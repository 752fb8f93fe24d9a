//! When to make another connection so that WhatsApp brings again what could not be stored. Free of I/O.
//!
//! The first time at once; while it keeps failing the pauses double up to [`PAUSE`]'s second: a database that is in trouble
//! for long must not become a storm of logins.

use std::time::Duration;

use tokio::time::Instant;

/// The first and the longest pause between two connections that are made for this.
const PAUSE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(1));

/// How patient it is by now.
#[derive(Debug)]
pub(super) struct Redelivery {
    pause: Duration,
    not_before: Option<Instant>,
}

impl Default for Redelivery {
    fn default() -> Self {
        Self { pause: PAUSE.0, not_before: None }
    }
}

impl Redelivery {
    /// Whether another connection may be made.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.not_before.is_none_or(|moment| now >= moment)
    }

    /// Another connection is made.
    pub(super) fn begins(&mut self, now: Instant) {
        if self.not_before.is_some_and(|moment| now - moment > PAUSE.1) {
            self.pause = PAUSE.0;
        }
        self.not_before = Some(now + self.pause);
        self.pause = (self.pause * 2).min(PAUSE.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, secs: u64) -> Instant {
        start + Duration::from_secs(secs)
    }

    #[test]
    fn the_first_is_due_at_once_pauses_double_up_to_a_minute_and_a_new_trouble_starts_with_short_ones() {
        let (mut redelivery, start) = (Redelivery::default(), Instant::now());
        let mut tried = |secs| {
            let due = redelivery.is_due(after(start, secs));
            if due {
                redelivery.begins(after(start, secs));
            }
            due
        };
        let due: Vec<u64> = (0..240).filter(|secs| tried(*secs)).collect();
        assert_eq!(due, [0, 5, 15, 35, 75, 135, 195]);
        assert!(tried(1000), "long ago");
        assert!(!tried(1004));
        assert!(tried(1005), "a new trouble starts with short pauses");
    }
}
