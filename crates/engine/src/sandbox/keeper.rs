//! Keeps the mailbox: what is taken in is put there before anything happens to it, and what was told is taken out.
//!
//! Its task exists only while there is something to write, and writes all that waits at once. While the mailbox cannot
//! be reached nothing is lost: what waits to be put in is not acknowledged, and what waits to be taken out would only
//! be told again. Both are bounded by the places of the messages.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use waypost_domain::{SessionId, WaMessageId};

use super::{
    mailbox::{Mailbox, MailboxChanges, MailboxError, Owed},
    network::unpoisoned,
    timer::{Departure, Flight, Timer},
};

/// The most messages that are put in, and that are taken out, in one go.
const BATCH: usize = 1024;

/// How long to wait after the mailbox failed.
const RETRY: Duration = Duration::from_millis(500);

/// The keeper of an engine's mailbox.
pub(super) struct Keeper {
    pub(super) timer: Arc<Timer>,
    mailbox: Arc<dyn Mailbox>,
    work: Mutex<Work>,
    /// Held while something is written, so that what is forgotten stays forgotten.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Work {
    taken: VecDeque<Taken>,
    ended: VecDeque<Ended>,
    running: bool,
}

/// A message that departs, and what is put in for it before, unless that was done when it was first taken.
type Taken = (Option<Owed>, Departure);

/// A message that nothing is owed for any more, with the flight whose places it has, if it has any.
type Ended = (SessionId, WaMessageId, Option<Flight>);

#[derive(Debug)]
struct Batch {
    taken: Vec<Taken>,
    ended: Vec<Ended>,
}

impl Keeper {
    pub(super) fn new(timer: Arc<Timer>, mailbox: Arc<dyn Mailbox>) -> Self {
        Self { timer, mailbox, work: Mutex::default(), writing: tokio::sync::Mutex::default() }
    }

    /// Puts a message in; it departs when it is there. A repeat departs after what was taken before it.
    pub(super) fn take(self: &Arc<Self>, owed: Option<Owed>, departure: Departure) {
        self.give(|work| work.taken.push_back((owed, departure)));
    }

    /// Takes messages out whose flights have ended.
    pub(super) fn end(self: &Arc<Self>, flights: Vec<Flight>) {
        let ended = flights.into_iter().map(|flight| (flight.line.session, flight.wa_id.clone(), Some(flight)));
        self.give(|work| work.ended.extend(ended));
    }

    /// Takes a message out that only its id was kept of.
    pub(super) fn drop_id(self: &Arc<Self>, session: SessionId, wa_id: WaMessageId) {
        self.give(|work| work.ended.push_back((session, wa_id, None)));
    }

    /// Takes out all that is owed to a session. Nothing that was taken in before comes back.
    pub(super) async fn forget(&self, session: SessionId) -> Result<(), MailboxError> {
        let _writing = self.writing.lock().await;
        unpoisoned(&self.work).taken.retain(|(_, departure)| departure.flight.line.session != session);
        self.mailbox.write(MailboxChanges { forgotten: vec![session], ..MailboxChanges::default() }).await
    }

    /// All that is owed.
    pub(super) async fn load(&self) -> Result<Vec<Owed>, MailboxError> {
        self.mailbox.load().await
    }

    fn give(self: &Arc<Self>, work: impl FnOnce(&mut Work)) {
        let mut waiting = unpoisoned(&self.work);
        work(&mut waiting);
        if !waiting.running {
            waiting.running = true;
            tokio::spawn(Arc::clone(self).run());
        }
    }

    async fn run(self: Arc<Self>) {
        let mut failing = false;
        loop {
            let writing = self.writing.lock().await;
            let Some(batch) = unpoisoned(&self.work).next_batch() else { return };
            match self.mailbox.write(batch.changes()).await {
                Ok(()) => {
                    failing = false;
                    drop(writing);
                    for (_, departure) in batch.taken {
                        self.timer.launch(departure);
                    }
                }
                Err(error) => {
                    unpoisoned(&self.work).put_back(batch);
                    drop(writing);
                    if !failing {
                        tracing::error!(%error, "sandbox messages wait because the database failed; trying again");
                    }
                    failing = true;
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }
}

impl Work {
    /// What is written next; with nothing left it notes that the task ends.
    fn next_batch(&mut self) -> Option<Batch> {
        let (puts, ends) = (self.taken.len().min(BATCH), self.ended.len().min(BATCH));
        self.running = puts + ends > 0;
        let batch = Batch { taken: self.taken.drain(..puts).collect(), ended: self.ended.drain(..ends).collect() };
        self.running.then_some(batch)
    }

    fn put_back(&mut self, batch: Batch) {
        batch.taken.into_iter().rev().for_each(|taken| self.taken.push_front(taken));
        batch.ended.into_iter().rev().for_each(|ended| self.ended.push_front(ended));
    }
}

impl Batch {
    fn changes(&self) -> MailboxChanges {
        MailboxChanges {
            puts: self.taken.iter().filter_map(|(owed, _)| owed.clone()).collect(),
            removals: self.ended.iter().map(|(session, wa_id, _)| (*session, wa_id.clone())).collect(),
            forgotten: Vec::new(),
        }
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("work", &self.work).finish_non_exhaustive()
    }
}
