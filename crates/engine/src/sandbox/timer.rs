//! The one timer of the pretend network: carries every message under way from step to step.
//!
//! Its task exists only while a message is under way. Steps that are due at the same time happen in the order in which
//! they were launched, so that even without delays a message is acknowledged before it is read.

use std::{
    cmp::Ordering,
    collections::BinaryHeap,
    sync::{Arc, Mutex},
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until},
};
use waypost_domain::{Jid, WaMessageId};

use super::{
    line::Line,
    network::unpoisoned,
    script::{Step, Timed},
};
use crate::ConnectionId;

/// How many messages may be under way in the whole engine.
pub(super) const MAX_IN_FLIGHT: usize = 100_000;

/// How many messages of one session may be under way.
pub(super) const MAX_IN_FLIGHT_PER_SESSION: usize = 20_000;

/// How many steps happen before other tasks get their turn.
const STEPS_AT_ONCE: usize = 512;

/// A message's place in the bounds of its session and of the engine.
#[derive(Debug)]
pub(super) struct Places {
    _of_session: OwnedSemaphorePermit,
    _of_engine: OwnedSemaphorePermit,
}

/// A message under way.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) line: Arc<Line>,
    /// The connection that it was sent over.
    pub(super) sent_over: ConnectionId,
    pub(super) wa_id: WaMessageId,
    pub(super) to: Jid,
    /// Taken by the recipient's answer, which keeps them until it is stored.
    pub(super) places: Option<Places>,
}

/// The timer.
#[derive(Debug)]
pub(super) struct Timer {
    schedule: Mutex<Schedule>,
    earlier: Notify,
    places: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Schedule {
    entries: BinaryHeap<Entry>,
    /// How many entries were ever made: the order among those due at the same time.
    made: u64,
    running: bool,
}

/// A flight and its next step.
#[derive(Debug)]
struct Entry {
    due: Instant,
    order: u64,
    launched: Instant,
    flight: Flight,
    step: Step,
    later: std::vec::IntoIter<Timed>,
}

impl Default for Timer {
    fn default() -> Self {
        Self { schedule: Mutex::default(), earlier: Notify::new(), places: Arc::new(Semaphore::new(MAX_IN_FLIGHT)) }
    }
}

impl Timer {
    /// Takes a place in both bounds; none where one is reached.
    pub(super) fn places(&self, of_session: &Arc<Semaphore>) -> Option<Places> {
        let of_session = Arc::clone(of_session).try_acquire_owned().ok()?;
        let of_engine = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Places { _of_session: of_session, _of_engine: of_engine })
    }

    /// Sends a message on its way through `steps`.
    pub(super) fn launch(self: &Arc<Self>, flight: Flight, steps: Vec<Timed>) {
        let launched = Instant::now();
        let mut later = steps.into_iter();
        let Some((delay, step)) = later.next() else { return };
        let mut schedule = unpoisoned(&self.schedule);
        let due = launched + delay;
        let is_first = schedule.entries.peek().is_none_or(|first| due < first.due);
        schedule.push(Entry { due, order: 0, launched, flight, step, later });
        if !schedule.running {
            schedule.running = true;
            tokio::spawn(Arc::clone(self).run());
        } else if is_first {
            self.earlier.notify_one();
        }
    }

    async fn run(self: Arc<Self>) {
        let mut due = Vec::new();
        loop {
            let next = unpoisoned(&self.schedule).take_due(Instant::now(), &mut due);
            if due.is_empty() {
                let Some(next) = next else { return };
                tokio::select! {
                    () = sleep_until(next) => {}
                    () = self.earlier.notified() => {}
                }
                continue;
            }
            let mut again = Vec::with_capacity(due.len());
            for mut entry in due.drain(..) {
                let line = Arc::clone(&entry.flight.line);
                line.happen(&mut entry.flight, entry.step);
                if let Some((delay, step)) = entry.later.next() {
                    again.push(Entry { due: entry.launched + delay, step, ..entry });
                }
            }
            {
                let mut schedule = unpoisoned(&self.schedule);
                for entry in again {
                    schedule.push(entry);
                }
            }
            tokio::task::yield_now().await;
        }
    }
}

impl Schedule {
    fn push(&mut self, mut entry: Entry) {
        entry.order = self.made;
        self.made += 1;
        self.entries.push(entry);
    }

    /// Moves what is due at `now` into `due`, as far as one turn goes, and says when the next is. With nothing left it
    /// notes that the task ends.
    fn take_due(&mut self, now: Instant, due: &mut Vec<Entry>) -> Option<Instant> {
        while due.len() < STEPS_AT_ONCE
            && let Some(first) = self.entries.peek()
            && first.due <= now
        {
            due.extend(self.entries.pop());
        }
        let next = self.entries.peek().map(|first| first.due);
        self.running = next.is_some() || !due.is_empty();
        next
    }
}

// The heap gives its greatest first: the entry that is due first is the greatest.
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.due, other.order).cmp(&(self.due, self.order))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}
