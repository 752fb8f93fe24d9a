//! Whether WhatsApp means it when it says that a device was unlinked. Free of I/O.
//!
//! The word alone is not enough: other gateways have lost credentials to a 401 that the next login did not repeat
//! (WAHA, Evolution and others have reports of it), and lost credentials cost the owner a walk to their phone. So the link logs in again with the
//! same credentials. They are given up where WhatsApp refuses that too: once after it named the device as removed
//! (`<conflict type="device_removed">`, what an owner's unlinking looks like), twice after any other word. A login that
//! succeeds proves that they are good.

use std::time::Duration;

/// The word that a device was unlinked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unlinked {
    /// What the server said.
    pub(crate) reason: String,
    /// Whether it named the device as removed.
    pub(crate) removed: bool,
}

/// The words so far, in a row.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    refusals: u32,
    removed: bool,
    /// For the pauses: these grow even where logins in between succeed.
    words: u32,
}

/// The longest pause before a login that makes sure.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

impl Doubt {
    /// Takes note of a word, on a connection that had been ready or not. `true` where there is no doubt left.
    pub(super) fn hear(&mut self, word: &Unlinked, was_connected: bool) -> bool {
        if was_connected {
            (self.refusals, self.removed) = (0, false);
        }
        self.refusals += 1;
        self.words = self.words.saturating_add(1);
        self.removed |= word.removed;
        self.refusals >= if self.removed { 2 } else { 3 }
    }

    /// How long to wait before the login that makes sure.
    pub(super) fn pause(&self, first: Duration) -> Duration {
        first.saturating_mul(4_u32.saturating_pow(self.words.saturating_sub(1))).min(LONGEST_PAUSE)
    }

    /// The session has been well for long.
    pub(super) fn settle(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(removed: bool) -> Unlinked {
        Unlinked { reason: "401".to_owned(), removed }
    }

    #[test]
    fn a_removed_device_is_given_up_after_one_more_refusal() {
        let mut doubt = Doubt::default();
        assert!(!doubt.hear(&word(true), true));
        assert!(doubt.hear(&word(false), false));
    }

    #[test]
    fn any_other_word_is_given_up_after_two_more_refusals() {
        let mut doubt = Doubt::default();
        assert!(!doubt.hear(&word(false), false));
        assert!(!doubt.hear(&word(false), false));
        assert!(doubt.hear(&word(false), false));
    }

    #[test]
    fn a_login_that_succeeds_proves_the_credentials_and_the_pauses_grow() {
        let mut doubt = Doubt::default();
        let first = Duration::from_secs(3);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            assert!(!doubt.hear(&word(true), true), "each login before it succeeded");
            pauses.push(doubt.pause(first).as_secs());
        }
        assert_eq!(pauses, [3, 12, 48, 192, 300, 300, 300, 300]);
        doubt.settle();
        assert!(!doubt.hear(&word(true), true));
        assert_eq!(doubt.pause(first), first);
    }
}
