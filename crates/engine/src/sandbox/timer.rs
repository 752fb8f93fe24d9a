//! The one timer of the pretend network: carries every message under way from step to step.
//!
//! Its task exists only while a message is under way. Steps that are due at the same time happen in the order in which
//! they were launched, so that even without delays a message is acknowledged before it is read. It tells no more than
//! the gateway writes down: a receipt that is dropped for want of room would be lost for good.

use std::{
    cmp::Ordering,
    collections::BinaryHeap,
    sync::{Arc, Mutex},
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until},
};
use waypost_domain::{ConnectionId, Jid, SessionId, WaMessageId};

use super::{
    line::Line,
    network::unpoisoned,
    script::{Step, Timed},
};
use crate::EventSink;

/// How many messages may be under way in the whole engine.
pub(super) const MAX_IN_FLIGHT: usize = 100_000;

/// How many messages of one session may be under way.
pub(super) const MAX_IN_FLIGHT_PER_SESSION: usize = 20_000;

/// The connection of a message that an earlier process took: the first one that this process makes.
pub(super) const UNKNOWN: ConnectionId = ConnectionId(0);

/// How many steps happen before other tasks get their turn.
pub(super) const STEPS_AT_ONCE: usize = 512;

/// How many receipts may be told and not on disk yet: a quarter of what the gateway lets wait to be written.
pub(super) const MAX_UNRECORDED: usize = 4_096;

/// A message's place in the bounds of its session and of the engine.
#[derive(Debug)]
pub(super) struct Places {
    _of_session: OwnedSemaphorePermit,
    _of_engine: OwnedSemaphorePermit,
}

/// A message under way. It ends when nothing is owed for it any more, on disk too.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) line: Arc<Line>,
    /// The connection that it was sent over.
    pub(super) sent_over: ConnectionId,
    pub(super) wa_id: WaMessageId,
    pub(super) to: Jid,
    /// Whether it stands in the mailbox and is taken out when it ends.
    pub(super) kept: bool,
    /// The last receipt that was told.
    pub(super) told: Option<Told>,
    /// None where it was under way before the start and there were more than there are places.
    pub(super) _places: Option<Places>,
}

/// A receipt that was posted, and how to learn that it is on disk.
#[derive(Clone)]
pub(super) struct Told {
    pub(super) sink: Arc<dyn EventSink>,
    pub(super) session: SessionId,
    pub(super) mark: u64,
}

/// A flight and all its steps.
#[derive(Debug)]
pub(super) struct Departure {
    pub(super) flight: Flight,
    pub(super) steps: Vec<Timed>,
    /// When it was sent: delays count from here.
    pub(super) launched: Instant,
}

/// The timer.
#[derive(Debug)]
pub(super) struct Timer {
    schedule: Mutex<Schedule>,
    earlier: Notify,
    places: Arc<Semaphore>,
    unrecorded: Arc<Semaphore>,
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
pub(super) struct Entry {
    due: Instant,
    order: u64,
    launched: Instant,
    pub(super) flight: Flight,
    pub(super) step: Step,
    later: std::vec::IntoIter<Timed>,
}

/// What came of some steps.
#[derive(Debug, Default)]
pub(super) struct Turn {
    again: Vec<Entry>,
    told: Vec<Told>,
    ended: Vec<Flight>,
}

impl Default for Timer {
    fn default() -> Self {
        Self {
            schedule: Mutex::default(),
            earlier: Notify::new(),
            places: Arc::new(Semaphore::new(MAX_IN_FLIGHT)),
            unrecorded: Arc::new(Semaphore::new(MAX_UNRECORDED)),
        }
    }
}

impl Timer {
    /// Takes a place in both bounds; none where one is reached.
    pub(super) fn places(&self, of_session: &Arc<Semaphore>) -> Option<Places> {
        let of_session = Arc::clone(of_session).try_acquire_owned().ok()?;
        let of_engine = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Places { _of_session: of_session, _of_engine: of_engine })
    }

    /// Sends a message on its way.
    pub(super) fn launch(self: &Arc<Self>, departure: Departure) {
        self.resume(Entry::first(departure));
    }

    /// Lets flights go on with the steps that they are at.
    pub(super) fn resume(self: &Arc<Self>, entries: impl IntoIterator<Item = Entry>) {
        let mut schedule = unpoisoned(&self.schedule);
        let before = schedule.next();
        for entry in entries {
            schedule.push(entry);
        }
        let Some(next) = schedule.next() else { return };
        if !schedule.running {
            schedule.running = true;
            tokio::spawn(Arc::clone(self).run());
        } else if before.is_none_or(|before| next < before) {
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
            let mut turn = Turn::default();
            for entry in due.drain(..) {
                let line = Arc::clone(&entry.flight.line);
                line.happen(entry, &mut turn);
            }
            let Turn { again, told, ended } = turn;
            self.settle(told, ended).await;
            {
                let mut schedule = unpoisoned(&self.schedule);
                for entry in again {
                    schedule.push(entry);
                }
            }
            tokio::task::yield_now().await;
        }
    }

    /// Waits while too many receipts are not on disk yet, and has flights that ended taken out of the mailbox when
    /// theirs are.
    pub(super) async fn settle(&self, told: Vec<Told>, ended: Vec<Flight>) {
        if told.is_empty() && ended.is_empty() {
            return;
        }
        let count = u32::try_from(told.len().min(MAX_UNRECORDED)).expect("the bound is small");
        let unrecorded = Arc::clone(&self.unrecorded).acquire_many_owned(count).await;
        let unrecorded = unrecorded.expect("nobody closes the semaphore");
        tokio::spawn(async move {
            for receipt in told.iter().chain(ended.iter().filter_map(|flight| flight.told.as_ref())) {
                receipt.recorded().await;
            }
            drop(unrecorded);
            if let Some(keeper) = ended.first().map(|flight| Arc::clone(&flight.line.keeper)) {
                keeper.end(ended);
            }
        });
    }
}

impl Told {
    async fn recorded(&self) {
        self.sink.recorded(self.session, self.mark).await;
    }
}

impl Turn {
    /// A receipt was posted.
    pub(super) fn told(&mut self, told: Option<Told>) {
        self.told.extend(told);
    }

    /// A step happened: the flight goes on, or ends.
    pub(super) fn go_on(&mut self, entry: Entry) {
        let Entry { launched, flight, mut later, order, .. } = entry;
        match later.next() {
            Some((delay, step)) => {
                self.again.push(Entry { due: launched + delay, order, launched, flight, step, later });
            }
            None if flight.kept => self.ended.push(flight),
            None => {}
        }
    }
}

impl Entry {
    /// A flight before its first step; `None` where nothing is to happen.
    pub(super) fn first(departure: Departure) -> Option<Self> {
        let Departure { flight, steps, launched } = departure;
        let mut later = steps.into_iter();
        let (delay, step) = later.next()?;
        Some(Self { due: launched + delay, order: 0, launched, flight, step, later })
    }
}

impl Schedule {
    fn push(&mut self, mut entry: Entry) {
        entry.order = self.made;
        self.made += 1;
        self.entries.push(entry);
    }

    /// When the first step is due.
    fn next(&self) -> Option<Instant> {
        self.entries.peek().map(|first| first.due)
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
        let next = self.next();
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

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Told").field("mark", &self.mark).finish_non_exhaustive()
    }
}
