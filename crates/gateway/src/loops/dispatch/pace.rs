//! What memory knows of a session's pace. All of it comes from rows, and what has to last goes back to rows: what was
//! sent with every claim, a pause of first contacts as soon as the dispatcher gets to it.

use std::{collections::HashSet, mem::take, time::Duration};

use tokio::time::Instant;
use waypost_domain::{Env, FailureCode, FirstContactPause, Jid, Pacing, PacingChoice, Timestamp};
use waypost_store::Spent;

use super::{
    outbox::Item,
    pacer::{Lane, Pacer},
};

/// The most chats that wait to be taken out of the lane of first contacts. Past it the whole lane is looked through.
const MET: usize = 1024;

/// A session's pace.
pub(crate) struct Pace {
    choice: PacingChoice,
    pause: Option<FirstContactPause>,
    /// The pause is not on disk as it is here.
    unsaved: bool,
    mode: Mode,
}

enum Mode {
    /// What was sent is still to be read, or a lane that is not used any more to be given up.
    Unprepared,
    Off,
    On(Box<Paced>),
}

/// What a paced session has beside.
pub(crate) struct Paced {
    limits: Pacing,
    pacer: Pacer,
    clock: Steady,
    met: HashSet<Jid>,
    met_too_many: bool,
}

/// The machine's clock, but never set back: where that one is, this goes on from where it was. So no message counts for
/// a shorter time than it should, and no window stands still.
#[derive(Debug)]
struct Steady {
    last: Timestamp,
    ahead: Duration,
}

impl Steady {
    fn now(&mut self, env: &Env) -> Timestamp {
        let now = env.now().plus(self.ahead);
        self.ahead += self.last.since(now);
        self.last = now.max(self.last);
        self.last
    }
}

/// What a dispatcher has to write before it goes on.
#[derive(Debug, PartialEq, Eq)]
#[expect(clippy::option_option, reason = "nothing to save, save that there is none, save this one")]
pub(crate) struct Chores {
    /// The pause is to be saved.
    pub(crate) pause: Option<Option<FirstContactPause>>,
    /// These chats are known now.
    pub(crate) met: Vec<Jid>,
    /// So many are known now that the lane is to be looked through.
    pub(crate) met_too_many: bool,
}

impl Pace {
    /// As the row has it.
    pub(crate) const fn new(choice: PacingChoice, pause: Option<FirstContactPause>) -> Self {
        Self { choice, pause, unsaved: false, mode: Mode::Unprepared }
    }

    pub(crate) const fn choice(&self) -> PacingChoice {
        self.choice
    }

    pub(crate) const fn is_prepared(&self) -> bool {
        !matches!(self.mode, Mode::Unprepared)
    }

    /// Whether the session is surely not paced.
    pub(crate) const fn is_off(&self) -> bool {
        matches!(self.mode, Mode::Off)
    }

    /// The dispatcher did what has to be done before the pace holds.
    pub(crate) fn prepared(&mut self, paced: Option<Paced>, env: &Env) {
        self.mode = paced.map_or(Mode::Off, |paced| Mode::On(Box::new(paced)));
        self.tell_pacer(env);
    }

    /// The session's owner chose another pace. It holds at once; what was sent before counts.
    pub(crate) fn choose(&mut self, choice: PacingChoice, default: Pacing) {
        self.choice = choice;
        let limits = choice.over(default);
        match &mut self.mode {
            Mode::On(paced) if !limits.is_off() => {
                paced.limits = limits;
                paced.pacer.set_limits(limits);
            }
            Mode::Off if limits.is_off() => {}
            mode => *mode = Mode::Unprepared,
        }
    }

    /// The session's owner ends a pause.
    pub(crate) fn end_pause(&mut self, env: &Env) {
        self.pause = None;
        self.unsaved = false;
        self.tell_pacer(env);
    }

    /// The pacer, where the session is paced.
    pub(crate) fn paced(&mut self) -> Option<&mut Paced> {
        match &mut self.mode {
            Mode::On(paced) => Some(paced),
            Mode::Unprepared | Mode::Off => None,
        }
    }

    /// The network refused a message. Returns the pause that this begins or makes longer.
    pub(crate) fn refused(&mut self, code: FailureCode, env: &Env) -> Option<FirstContactPause> {
        let limits = self.paced()?.limits;
        let pause = FirstContactPause::after(self.pause.as_ref(), code, &limits, env.now())?;
        self.pause = Some(pause.clone());
        self.unsaved = true;
        self.tell_pacer(env);
        Some(pause)
    }

    /// The session and a chat know each other now.
    pub(crate) fn met(&mut self, chat: Jid) {
        if let Some(paced) = self.paced() {
            if paced.met.len() < MET {
                paced.met.insert(chat);
            } else {
                paced.met_too_many = true;
            }
        }
    }

    /// The network took a first contact: the next pause is a first one again.
    pub(crate) fn welcomed(&mut self, now: Timestamp) {
        if self.pause.as_ref().is_some_and(|pause| pause.until <= now) {
            self.pause = None;
            self.unsaved = true;
        }
    }

    /// What is to be written, which is thereby taken.
    pub(crate) fn take_chores(&mut self) -> Option<Chores> {
        let pause = take(&mut self.unsaved).then(|| self.pause.clone());
        let (met, met_too_many) =
            self.paced().map(|paced| (take(&mut paced.met), take(&mut paced.met_too_many))).unwrap_or_default();
        let chores = Chores { pause, met: met.into_iter().collect(), met_too_many };
        let nothing = chores.pause.is_none() && chores.met.is_empty() && !chores.met_too_many;
        (!nothing).then_some(chores)
    }

    /// What could not be written is to be written later.
    pub(crate) fn give_back(&mut self, chores: Chores) {
        self.unsaved |= chores.pause.is_some();
        if let Some(paced) = self.paced() {
            paced.met_too_many |= chores.met_too_many;
            paced.met.extend(chores.met);
        }
    }

    /// Tells the pacer of the pause, by its own clock.
    fn tell_pacer(&mut self, env: &Env) {
        let left = self.pause.as_ref().map(|pause| pause.until.since(env.now()));
        if let Some(paced) = self.paced() {
            let now = paced.clock.now(env);
            paced.pacer.pause_until(left.map(|left| now.plus(left)));
        }
    }
}

impl Paced {
    /// The pace of a session that sent this before. Whom it knows is to be looked up.
    pub(crate) fn new(limits: Pacing, spent: &[Spent], now: Timestamp) -> Self {
        let clock = Steady { last: now, ahead: Duration::ZERO };
        let pacer = Pacer::new(limits, spent, now);
        Self { limits, pacer, clock, met: HashSet::new(), met_too_many: true }
    }

    /// Under which time to write down what is sent now.
    pub(crate) fn stamp(&mut self, env: &Env) -> Timestamp {
        self.clock.now(env)
    }

    /// How many messages of a lane may go now.
    pub(crate) fn room(&mut self, lane: Lane, env: &Env) -> u32 {
        let now = self.clock.now(env);
        self.pacer.room(lane, now)
    }

    /// When a message of a lane may go. `None`: only after something comes out of its send call.
    pub(crate) fn free_at(&mut self, lane: Lane, env: &Env) -> Option<Instant> {
        let now = self.clock.now(env);
        self.pacer.free_at(lane, now).map(|at| Instant::now() + at.since(now))
    }

    /// Lets a message go, if it may.
    pub(crate) fn take(&mut self, item: &Item, env: &Env) -> bool {
        let now = self.clock.now(env);
        self.pacer.take(lane(item), now, u16::from_le_bytes(env.bytes()))
    }

    /// A message that was in `lane` is out of its send call.
    pub(crate) fn done(&mut self, lane: Lane, env: &Env) {
        let now = self.clock.now(env);
        self.pacer.done(lane, now);
    }
}

/// Where a message stands. What was handed out before was counted as a first contact then.
pub(crate) fn lane(item: &Item) -> Lane {
    if item.message.first_contact && item.counted.is_some() { Lane::FirstContact } else { Lane::Known }
}

#[cfg(test)]
mod tests {
    use waypost_domain::env::{ManualClock, SeededEntropy};

    use super::*;
    use crate::loops::dispatch::outbox::{Tries, tests::message};

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const HOUR: Duration = Duration::from_hours(1);

    fn paced() -> (Pace, ManualClock, Env) {
        let clock = ManualClock::at(NOW);
        let env = Env::new(clock.clone(), SeededEntropy::new(7));
        let mut pace = Pace::new(PacingChoice::default(), None);
        pace.prepared(Some(Paced::new(Pacing::GENTLE, &[], NOW)), &env);
        assert!(pace.take_chores().unwrap().met_too_many, "whom it knows is to be looked up first");
        (pace, clock, env)
    }

    #[test]
    fn a_refused_stranger_pauses_first_contacts_and_a_welcome_forgets_it() {
        let (mut pace, clock, env) = paced();
        let pause = pace.refused(FailureCode::ReachOutLimited, &env).unwrap();
        assert_eq!(pace.take_chores().unwrap().pause, Some(Some(pause.clone())));
        assert_eq!(pace.take_chores(), None);
        assert_eq!(pace.paced().unwrap().room(Lane::FirstContact, &env), 0);
        assert_eq!(pace.paced().unwrap().room(Lane::Known, &env), 1);

        pace.welcomed(NOW);
        assert_eq!(pace.take_chores(), None, "what was on its way when the pause began proves nothing");
        clock.advance(HOUR);
        assert_eq!(pace.paced().unwrap().room(Lane::FirstContact, &env), 1);
        pace.welcomed(pause.until);
        assert_eq!(pace.take_chores().unwrap().pause, Some(None));
    }

    #[test]
    fn another_pace_holds_at_once_and_what_was_sent_counts() {
        let (mut pace, clock, env) = paced();
        let message = message(0, 1);
        let item = Item { message, tries: Tries::default(), counted: None };
        assert!(pace.paced().unwrap().take(&item, &env));
        pace.paced().unwrap().done(Lane::Known, &env);
        clock.advance(Duration::from_secs(3));
        assert_eq!(pace.paced().unwrap().room(Lane::Known, &env), 1);
        pace.choose(PacingChoice { per_minute: Some(1), ..PacingChoice::default() }, Pacing::GENTLE);
        assert_eq!(pace.paced().unwrap().room(Lane::Known, &env), 0);

        pace.choose(PacingChoice::default(), Pacing::OFF);
        assert!(!pace.is_prepared(), "the lane is to be given up first");
    }

    #[test]
    fn a_clock_that_is_set_back_neither_stops_nor_shortens_a_window() {
        let wound =
            |by: i64| Env::new(ManualClock::at(Timestamp::from_millis(NOW.as_millis() + by)), SeededEntropy::new(7));
        let mut clock = Steady { last: NOW, ahead: Duration::ZERO };
        let shown = [0, 5_000, -3_600_000, -3_599_000, -3_540_000].map(|by| clock.now(&wound(by)).since(NOW).as_secs());
        assert_eq!(shown, [0, 5, 5, 6, 65]);
    }

    #[test]
    fn chats_that_are_met_are_bounded() {
        let (mut pace, ..) = paced();
        for number in 0..5000 {
            pace.met(format!("1415555{number:04}@s.whatsapp.net").parse().unwrap());
        }
        let chores = pace.take_chores().unwrap();
        assert_eq!((chores.met.len(), chores.met_too_many), (MET, true));
    }
}
