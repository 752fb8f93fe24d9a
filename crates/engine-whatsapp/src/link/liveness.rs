//! Whether a connection is alive: what is known of it, and when to ask. Free of I/O.
//!
//! The client asks by itself, but leaves holes: while an answer of another kind is outstanding it does not ask, a pause
//! of up to 30 s lies between two looks, and a server that talks without listening is never found out. So the driver
//! looks at every connection itself, and asks where
//!
//! - nothing was heard for [`Timings::quiet`], or
//! - messages were sent, none was answered for [`Timings::quiet`], whatever else was heard.
//!
//! An answer proves both directions. Without one in [`Timings::answer`] the connection is given up: 45 s after the last
//! sign of life at the latest. It is given up, too, where questions are answered and for [`Timings::mute`] not one
//! message is: a connection that takes no message is none for anybody who sends. A login must lead to `connected` in
//! [`Timings::login`], counted from the last time that more came in than the answers to our own questions.

use tokio::time::Instant;

use crate::config::Timings;

/// What can be seen of a connection without asking. All of it grows, or starts anew with a connection; only of `sent` a
/// call that fails takes back what it had counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Signs {
    /// When data last came in, by the client's clock.
    pub(super) last_data_ms: u64,
    /// Stanzas that came in.
    pub(super) frames: u64,
    /// Messages that were handed to a connection.
    pub(super) sent: u64,
    /// Answers to messages: acknowledgements, refusals, receipts.
    pub(super) answered: u64,
}

/// What is to be done about a connection that is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    Alive,
    /// It is to be asked for a sign of life.
    Doubtful,
    /// It takes no message, whatever it answers: it is to be made anew.
    Mute,
}

/// What is known of the present connection.
#[derive(Debug)]
pub(super) struct Liveness {
    times: Timings,
    signs: Signs,
    /// When there was last a sign of life.
    heard_at: Instant,
    /// When a question was last answered.
    proved_at: Instant,
    /// How many messages had been sent when one was last answered.
    sent_when_answered: u64,
    /// Since when messages wait for an answer.
    waiting_since: Option<Instant>,
    /// Since when a login makes no progress.
    login_since: Option<Instant>,
}

impl Liveness {
    pub(super) fn new(times: Timings, now: Instant) -> Self {
        Self {
            times,
            signs: Signs::default(),
            heard_at: now,
            proved_at: now,
            sent_when_answered: 0,
            waiting_since: None,
            login_since: None,
        }
    }

    /// A connection is ready, and was just heard from.
    pub(super) fn connected(&mut self, signs: Signs, now: Instant) {
        (self.heard_at, self.proved_at, self.sent_when_answered) = (now, now, signs.sent);
        (self.waiting_since, self.login_since) = (None, None);
    }

    /// Whether there was no sign of life for long.
    pub(super) fn is_quiet(&self, now: Instant) -> bool {
        now - self.heard_at >= self.times.quiet
    }

    /// The server answered a question.
    pub(super) fn proved(&mut self, now: Instant) {
        (self.heard_at, self.proved_at) = (now, now);
    }

    /// Looks at a connection that is ready.
    pub(super) fn look(&mut self, signs: Signs, now: Instant) -> Verdict {
        let before = std::mem::replace(&mut self.signs, signs);
        if (signs.last_data_ms, signs.frames) != (before.last_data_ms, before.frames) {
            self.heard_at = now;
        }
        if signs.answered != before.answered {
            (self.sent_when_answered, self.waiting_since) = (signs.sent, None);
        }
        if signs.sent > self.sent_when_answered {
            self.waiting_since.get_or_insert(now);
        }
        let waits = |limit| self.waiting_since.is_some_and(|since| now - since >= limit);
        if waits(self.times.mute) {
            Verdict::Mute
        } else if self.is_quiet(now) || (waits(self.times.quiet) && now - self.proved_at >= self.times.quiet) {
            Verdict::Doubtful
        } else {
            Verdict::Alive
        }
    }

    /// Looks at a login that is under way; `fresh` where the phone has yet to hand over what it keeps. `true` where it
    /// leads nowhere.
    pub(super) fn login_failed(&mut self, signs: Signs, fresh: bool, now: Instant) -> bool {
        let before = std::mem::replace(&mut self.signs, signs);
        // Our own questions are answered by one stanza each, and fewer than one of them goes out between two looks.
        let progress = signs.frames.saturating_sub(before.frames) > 1;
        let since = match self.login_since {
            Some(since) if !progress => since,
            _ => *self.login_since.insert(now),
        };
        now - since >= if fresh { self.times.first_login } else { self.times.login }
    }

    /// There is no socket, or what it waits for is a person.
    pub(super) fn no_login(&mut self) {
        self.login_since = None;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(start: Instant, secs: u64) -> Instant {
        start + Duration::from_secs(secs)
    }

    #[test]
    fn a_connection_that_says_nothing_is_asked() {
        let start = Instant::now();
        let mut life = Liveness::new(Timings::default(), start);
        let signs = Signs { last_data_ms: 1, frames: 3, ..Signs::default() };
        assert_eq!(life.look(signs, start), Verdict::Alive);
        assert_eq!(life.look(signs, at(start, 19)), Verdict::Alive);
        assert_eq!(life.look(signs, at(start, 20)), Verdict::Doubtful);
        life.proved(at(start, 21));
        assert_eq!(life.look(signs, at(start, 40)), Verdict::Alive);
        let more = Signs { last_data_ms: 2, ..signs };
        assert_eq!(life.look(more, at(start, 41)), Verdict::Alive, "data is a sign of life");
    }

    #[test]
    fn a_server_that_talks_and_answers_no_message_is_asked() {
        let start = Instant::now();
        let mut life = Liveness::new(Timings::default(), start);
        let mut signs = Signs::default();
        let mut asked_at = None;
        for secs in (0..60).step_by(5) {
            signs = Signs { frames: signs.frames + 1, sent: signs.sent + 1, ..signs };
            if life.look(signs, at(start, secs)) == Verdict::Doubtful {
                asked_at = Some(secs);
                break;
            }
        }
        assert_eq!(asked_at, Some(20));
        signs.answered += 1;
        assert_eq!(life.look(signs, at(start, 25)), Verdict::Alive, "an answered message is a sign of life");
    }

    #[test]
    fn a_server_that_answers_every_question_and_no_message_is_given_up_within_a_minute() {
        let start = Instant::now();
        let mut life = Liveness::new(Timings::default(), start);
        let mut signs = Signs { sent: 7, answered: 6, ..Signs::default() };
        life.connected(signs, start);
        let mut mute_at = None;
        for secs in (0..120).step_by(5) {
            if secs == 10 {
                signs.sent += 1;
            }
            signs.frames += 1;
            match life.look(signs, at(start, secs)) {
                Verdict::Alive => {}
                Verdict::Doubtful => life.proved(at(start, secs)),
                Verdict::Mute => {
                    mute_at = Some(secs);
                    break;
                }
            }
        }
        assert_eq!(mute_at, Some(55), "45 s after a message was sent");
    }

    #[test]
    fn a_connection_whose_messages_are_answered_is_not_mute() {
        let start = Instant::now();
        let mut life = Liveness::new(Timings::default(), start);
        // Sent and answered between two looks, then nothing to send for long.
        let signs = Signs { sent: 1, answered: 1, ..Signs::default() };
        for secs in (5..120).step_by(5) {
            assert_ne!(life.look(signs, at(start, secs)), Verdict::Mute);
        }
        // One message in two is answered.
        let mut signs = signs;
        for secs in (120..400).step_by(5) {
            signs = Signs { sent: signs.sent + 2, answered: signs.answered + 1, ..signs };
            assert_ne!(life.look(signs, at(start, secs)), Verdict::Mute);
        }
        // The connection before was left with messages unanswered; this one has none.
        let mut left = Signs { sent: signs.sent + 9, ..signs };
        life.look(left, at(start, 400));
        life.connected(left, at(start, 405));
        for secs in (405..600).step_by(5) {
            left.frames += 1;
            assert_ne!(life.look(left, at(start, secs)), Verdict::Mute);
        }
    }

    #[test]
    fn a_login_that_delivers_nothing_fails_even_where_questions_are_answered() {
        let start = Instant::now();
        let mut life = Liveness::new(Timings::default(), start);
        let mut signs = Signs { frames: 6, ..Signs::default() };
        let mut failed_at = None;
        for secs in (0..120).step_by(5) {
            if life.login_failed(signs, false, at(start, secs)) {
                failed_at = Some(secs);
                break;
            }
            signs.frames += u64::from(secs % 15 == 0);
        }
        assert_eq!(failed_at, Some(35));
    }

    #[test]
    fn a_login_with_a_long_queue_may_take_its_time() {
        let start = Instant::now();
        let mut life = Liveness::new(Timings::default(), start);
        for look in 0..100 {
            let signs = Signs { frames: look * 20, ..Signs::default() };
            assert!(!life.login_failed(signs, false, at(start, look * 5)));
        }
    }

    #[test]
    fn the_first_login_waits_for_the_phone() {
        let start = Instant::now();
        let mut life = Liveness::new(Timings::default(), start);
        assert!(!life.login_failed(Signs::default(), true, start));
        assert!(!life.login_failed(Signs::default(), true, at(start, 195)));
        assert!(life.login_failed(Signs::default(), true, at(start, 200)));
    }
}
