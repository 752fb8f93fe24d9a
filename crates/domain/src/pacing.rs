//! Pacing: how fast a session may send, and how it treats people it never talked to.
//!
//! WhatsApp bans accounts that behave like machines, by rules it does not publish. Pacing makes bans less likely; no
//! number makes anybody safe. docs/pacing.md says where the numbers come from.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{FailureCode, Timestamp};

/// The pace of a session. 0 means: no limit, no pause.
///
/// The limits hold in any 60 seconds and in any 24 hours, not by the calendar. A *first contact* is a message to a
/// person with whom the session has exchanged nothing yet: no message of it was acknowledged, none came in. Groups are
/// never first contacts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pacing {
    /// Messages in any 60 seconds.
    pub per_minute: u32,
    /// Messages in any 24 hours.
    pub per_day: u32,
    /// First contacts in any 60 seconds; they count as messages too.
    pub first_contact_per_minute: u32,
    /// First contacts in any 24 hours.
    pub first_contact_per_day: u32,
    /// Between two messages the session waits a random time of a quarter of this to all of this, in milliseconds.
    pub jitter_ms: u32,
    /// For how many seconds first contacts wait after WhatsApp refused one as a first contact
    /// ([`FirstContactPause`]).
    pub first_contact_pause_secs: u32,
}

impl Pacing {
    /// No pacing at all.
    pub const OFF: Self = Self {
        per_minute: 0,
        per_day: 0,
        first_contact_per_minute: 0,
        first_contact_per_day: 0,
        jitter_ms: 0,
        first_contact_pause_secs: 0,
    };

    /// The default of a real session. Accounts were restricted at 15 to 20 strangers a day (Baileys#1983) and slowed
    /// down at 3 messages a second (Baileys#1248); a quick person writes about this much.
    pub const GENTLE: Self = Self {
        per_minute: 20,
        per_day: 1000,
        first_contact_per_minute: 5,
        first_contact_per_day: 50,
        jitter_ms: 2000,
        first_contact_pause_secs: 3600,
    };

    /// Whether nothing is limited.
    pub fn is_off(&self) -> bool {
        *self == Self::OFF
    }
}

/// What a tenant chose for one session; what is not chosen follows the default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PacingChoice {
    /// See [`Pacing::per_minute`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_minute: Option<u32>,
    /// See [`Pacing::per_day`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_day: Option<u32>,
    /// See [`Pacing::first_contact_per_minute`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_contact_per_minute: Option<u32>,
    /// See [`Pacing::first_contact_per_day`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_contact_per_day: Option<u32>,
    /// See [`Pacing::jitter_ms`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter_ms: Option<u32>,
    /// See [`Pacing::first_contact_pause_secs`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_contact_pause_secs: Option<u32>,
}

impl PacingChoice {
    /// The pace in force, with `default` for what was not chosen.
    pub fn over(&self, default: Pacing) -> Pacing {
        Pacing {
            per_minute: self.per_minute.unwrap_or(default.per_minute),
            per_day: self.per_day.unwrap_or(default.per_day),
            first_contact_per_minute: self.first_contact_per_minute.unwrap_or(default.first_contact_per_minute),
            first_contact_per_day: self.first_contact_per_day.unwrap_or(default.first_contact_per_day),
            jitter_ms: self.jitter_ms.unwrap_or(default.jitter_ms),
            first_contact_pause_secs: self.first_contact_pause_secs.unwrap_or(default.first_contact_pause_secs),
        }
    }
}

/// The longest pause, in pauses of the configured length.
const LONGEST_PAUSE: u32 = 24;

/// A pause of first contacts, after WhatsApp refused one. It is kept when it is over: the next one may have to be
/// longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstContactPause {
    /// Until when first contacts wait.
    pub until: Timestamp,
    /// What WhatsApp said: [`FailureCode::ReachOutLimited`] or [`FailureCode::NewChatLimited`].
    pub code: FailureCode,
    /// How often it came again at once, with no first contact that went well in between.
    pub repeats: u32,
}

impl FirstContactPause {
    /// Whether a refusal with this code pauses first contacts.
    pub const fn follows(code: FailureCode) -> bool {
        matches!(code, FailureCode::ReachOutLimited | FailureCode::NewChatLimited)
    }

    /// The pause after a refusal, `None` where `earlier` (the last one, unless a first contact went well since) covers it.
    ///
    /// The first lasts as long as `pacing` says, each that follows at once twice as long, up to 24 times; a limit of new
    /// chats ([`FailureCode::NewChatLimited`]) is one of a day at WhatsApp and takes the longest at once. Refusals of
    /// messages that were on their way when a pause began do not make it longer. After 24 pauses' time without a refusal
    /// it begins anew.
    pub fn after(earlier: Option<&Self>, code: FailureCode, pacing: &Pacing, now: Timestamp) -> Option<Self> {
        let unit = Duration::from_secs(pacing.first_contact_pause_secs.into());
        if unit.is_zero() || !Self::follows(code) {
            return None;
        }
        let repeats = match earlier {
            Some(earlier) if now < earlier.until => earlier.repeats,
            Some(earlier) if now < earlier.until.plus(unit * LONGEST_PAUSE) => earlier.repeats.saturating_add(1),
            _ => 0,
        };
        let units = match code {
            FailureCode::NewChatLimited => LONGEST_PAUSE,
            _ => (1_u32 << repeats.min(5)).min(LONGEST_PAUSE),
        };
        let still_paused = earlier.filter(|earlier| now < earlier.until);
        match still_paused {
            Some(earlier) if code == earlier.code || code == FailureCode::ReachOutLimited => None,
            _ => Some(Self { until: now.plus(unit * units), code, repeats }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const HOUR: Duration = Duration::from_hours(1);

    fn hours(pause: &FirstContactPause, since: Timestamp) -> u64 {
        pause.until.since(since).as_secs() / 3600
    }

    #[test]
    fn pauses_that_follow_at_once_double_up_to_a_day() {
        let mut now = NOW;
        let mut pause: Option<FirstContactPause> = None;
        let mut lengths = Vec::new();
        for _ in 0..7 {
            let next =
                FirstContactPause::after(pause.as_ref(), FailureCode::ReachOutLimited, &Pacing::GENTLE, now).unwrap();
            lengths.push(hours(&next, now));
            now = next.until.plus(Duration::from_secs(1));
            pause = Some(next);
        }
        assert_eq!(lengths, [1, 2, 4, 8, 16, 24, 24]);

        let later = now.plus(24 * HOUR);
        let anew = FirstContactPause::after(pause.as_ref(), FailureCode::ReachOutLimited, &Pacing::GENTLE, later);
        assert_eq!(hours(&anew.unwrap(), later), 1);
    }

    #[test]
    fn what_was_on_its_way_when_a_pause_began_does_not_make_it_longer() {
        let after = |earlier: &FirstContactPause, code| {
            FirstContactPause::after(Some(earlier), code, &Pacing::GENTLE, NOW.plus(Duration::from_secs(3)))
        };
        let pause = FirstContactPause::after(None, FailureCode::ReachOutLimited, &Pacing::GENTLE, NOW).unwrap();
        assert_eq!(after(&pause, FailureCode::ReachOutLimited), None);
        let day = after(&pause, FailureCode::NewChatLimited).expect("a day is longer than an hour");
        assert_eq!((hours(&day, NOW), day.repeats), (24, 0));
        assert_eq!(after(&day, FailureCode::ReachOutLimited), None);
        assert_eq!(after(&day, FailureCode::NewChatLimited), None);
    }

    #[test]
    fn only_a_refused_first_contact_pauses_and_only_where_a_pause_is_set() {
        let none = Pacing { first_contact_pause_secs: 0, ..Pacing::GENTLE };
        assert_eq!(FirstContactPause::after(None, FailureCode::ReachOutLimited, &none, NOW), None);
        assert_eq!(FirstContactPause::after(None, FailureCode::RecipientUnknown, &Pacing::GENTLE, NOW), None);
    }

    #[test]
    fn what_is_not_chosen_follows_the_default() {
        let choice = PacingChoice { per_minute: Some(7), per_day: Some(0), ..PacingChoice::default() };
        assert_eq!(choice.over(Pacing::GENTLE), Pacing { per_minute: 7, per_day: 0, ..Pacing::GENTLE });
        assert!(PacingChoice::default().over(Pacing::OFF).is_off());
    }
}
