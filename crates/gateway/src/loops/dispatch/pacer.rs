//! How many messages a session may hand to the network now, and when the next. Pure: time and chance are arguments.
//!
//! It guarantees that in no 60 seconds and in no 24 hours more messages leave than the limits allow, first contacts
//! counted among the others and once more by themselves. A message leaves at some moment of its send call, nobody knows
//! at which; so it counts from the beginning of the call until a whole window, and [`SLACK`], after its end.
//!
//! And it never starves a lane: once what is in a send call has come out, there is a time from which the next may go.

use std::{collections::VecDeque, time::Duration};

use waypost_domain::{Pacing, Timestamp};
use waypost_store::Spent;

/// How unevenly a network may pass on what we hand to it: the limits are to hold where the messages arrive, too.
const SLACK: Duration = Duration::from_secs(1);
/// How long after it was counted a message may have left, for all that the next process knows: the time of a send call,
/// and of what comes before it ([`super::paced::FRESH`]).
const UNSURE: Duration = Duration::from_secs(super::SEND_TIME.as_secs() + 30);

/// Where a message stands in line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// It goes to somebody the session knows, or was sent before: it counts as a message.
    Known,
    /// It counts as a message and as a first contact.
    FirstContact,
}

/// Messages, and the first contacts among them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Count {
    all: u32,
    first: u32,
}

impl Count {
    const fn of(lane: Lane) -> Self {
        Self { all: 1, first: matches!(lane, Lane::FirstContact) as u32 }
    }

    const fn plus(self, other: Self) -> Self {
        Self { all: self.all.saturating_add(other.all), first: self.first.saturating_add(other.first) }
    }

    const fn minus(self, other: Self) -> Self {
        Self { all: self.all.saturating_sub(other.all), first: self.first.saturating_sub(other.first) }
    }
}

/// What left within a span of time, in steps, so that it stays small whatever the limits.
#[derive(Debug)]
struct Window {
    span: Duration,
    step: i64,
    /// When each step's messages count no more, oldest first.
    steps: VecDeque<(Timestamp, Count)>,
    total: Count,
}

impl Window {
    const fn new(span: Duration, step: Duration) -> Self {
        Self {
            span,
            #[expect(clippy::cast_possible_truncation, reason = "a second or a minute")]
            step: step.as_millis() as i64,
            steps: VecDeque::new(),
            total: Count { all: 0, first: 0 },
        }
    }

    fn add(&mut self, at: Timestamp, count: Count) {
        let end_of_step = at.as_millis().div_euclid(self.step).saturating_add(1).saturating_mul(self.step);
        let mut until = Timestamp::from_millis(end_of_step).plus(self.span + SLACK);
        self.total = self.total.plus(count);
        if let Some((last, counted)) = self.steps.back_mut() {
            if *last >= until {
                *counted = counted.plus(count);
                return;
            }
            until = until.max(*last);
        }
        self.steps.push_back((until, count));
    }

    fn drop_old(&mut self, now: Timestamp) {
        while let Some((until, count)) = self.steps.front().copied()
            && until <= now
        {
            self.total = self.total.minus(count);
            self.steps.pop_front();
        }
    }

    /// From when there is room for one more beside `in_flight`, where that is foreseeable.
    fn free_at(&self, now: Timestamp, in_flight: u32, limit: u32, part: impl Fn(Count) -> u32) -> Option<Timestamp> {
        let mut used = in_flight.saturating_add(part(self.total));
        if limit == 0 || used < limit {
            return Some(now);
        }
        self.steps.iter().find_map(|(until, count)| {
            used = used.saturating_sub(part(*count));
            (used < limit).then_some(*until)
        })
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Pacer {
    limits: Pacing,
    minute: Window,
    day: Window,
    /// In a send call.
    in_flight: Count,
    /// The random pause after the last message ends then.
    rested_at: Timestamp,
    /// First contacts wait until then.
    paused_until: Option<Timestamp>,
}

impl Pacer {
    /// A pacer that knows what was sent before, as the database has it.
    pub(crate) fn new(limits: Pacing, spent: &[Spent], now: Timestamp) -> Self {
        let mut pacer = Self {
            limits,
            minute: Window::new(Duration::from_mins(1), Duration::from_secs(1)),
            day: Window::new(Duration::from_hours(24), Duration::from_mins(1)),
            in_flight: Count::default(),
            rested_at: now,
            paused_until: None,
        };
        for minute in spent {
            let count = Count { all: minute.sent, first: minute.first_contacts };
            // It may have left later than it was counted, but not later than now: that a clock was set back may not lock
            // the session up.
            let at = minute.last_at.plus(UNSURE).min(now);
            pacer.minute.add(at, count);
            pacer.day.add(at, count);
        }
        pacer
    }

    pub(crate) fn set_limits(&mut self, limits: Pacing) {
        self.limits = limits;
    }

    pub(crate) const fn pause_until(&mut self, until: Option<Timestamp>) {
        self.paused_until = until;
    }

    /// How many messages of a lane may go now.
    pub(crate) fn room(&mut self, lane: Lane, now: Timestamp) -> u32 {
        self.minute.drop_old(now);
        self.day.drop_old(now);
        if now < self.rested_at || (lane == Lane::FirstContact && self.is_paused(now)) {
            return 0;
        }
        let left = |limit: u32, used: u32| if limit == 0 { u32::MAX } else { limit.saturating_sub(used) };
        let (minute, day) = (self.minute.total.plus(self.in_flight), self.day.total.plus(self.in_flight));
        let limits = &self.limits;
        let mut room = left(limits.per_minute, minute.all).min(left(limits.per_day, day.all));
        if lane == Lane::FirstContact {
            room = room
                .min(left(limits.first_contact_per_minute, minute.first))
                .min(left(limits.first_contact_per_day, day.first));
        }
        // After the first comes a pause.
        if limits.jitter_ms > 0 { room.min(1) } else { room }
    }

    /// From when a message of a lane may go. `None`: only after something comes out of its send call.
    pub(crate) fn free_at(&self, lane: Lane, now: Timestamp) -> Option<Timestamp> {
        let (limits, in_flight) = (&self.limits, self.in_flight);
        let all = |count: Count| count.all;
        let first = |count: Count| count.first;
        let mut at = self
            .minute
            .free_at(now, in_flight.all, limits.per_minute, all)?
            .max(self.day.free_at(now, in_flight.all, limits.per_day, all)?)
            .max(self.rested_at);
        if lane == Lane::FirstContact {
            at = at
                .max(self.minute.free_at(now, in_flight.first, limits.first_contact_per_minute, first)?)
                .max(self.day.free_at(now, in_flight.first, limits.first_contact_per_day, first)?)
                .max(self.paused_until.unwrap_or(at));
        }
        Some(at)
    }

    /// Lets one message of a lane go, if it may; `chance` decides how long the next one waits. Its send call begins now.
    pub(crate) fn take(&mut self, lane: Lane, now: Timestamp, chance: u16) -> bool {
        if self.room(lane, now) == 0 {
            return false;
        }
        self.in_flight = self.in_flight.plus(Count::of(lane));
        let jitter = u64::from(self.limits.jitter_ms);
        let pause = jitter / 4 + (jitter - jitter / 4) * u64::from(chance) / u64::from(u16::MAX);
        self.rested_at = now.plus(Duration::from_millis(pause));
        true
    }

    /// A message's send call ended.
    pub(crate) fn done(&mut self, lane: Lane, now: Timestamp) {
        let count = Count::of(lane);
        self.in_flight = self.in_flight.minus(count);
        self.minute.add(now, count);
        self.day.add(now, count);
    }

    fn is_paused(&self, now: Timestamp) -> bool {
        self.paused_until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests;
