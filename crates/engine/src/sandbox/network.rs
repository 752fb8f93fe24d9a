//! What all sandbox sessions of an engine share: the lines by session, the timer, the mailbox, and the memory of what
//! was shown.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::OnceCell, time::Instant};
use waypost_domain::{Env, SessionId, WaMessageId};

use super::{
    Mailbox, MailboxError, Owed, SandboxDelays,
    keeper::Keeper,
    line::Line,
    numbers::conduct_of,
    script::{script, waits_for_repeat, what_is_left},
    timer::{Departure, Entry, Flight, Timer, UNKNOWN},
};

/// How many message ids the engine remembers to know repeats by; the oldest go first.
pub(super) const MAX_REMEMBERED: usize = 10_000;

/// The pretend network.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) delays: SandboxDelays,
    pub(super) env: Env,
    pub(super) keeper: Arc<Keeper>,
    lines: Mutex<HashMap<SessionId, Arc<Line>>>,
    shown: Mutex<Shown>,
    loaded: OnceCell<()>,
}

/// The ids of the newest messages for which a repeat makes a difference.
#[derive(Debug, Default)]
struct Shown {
    /// Whether the message stands in the mailbox by its id alone.
    known: HashMap<(SessionId, WaMessageId), bool>,
    order: VecDeque<(SessionId, WaMessageId)>,
}

impl Network {
    pub(super) fn new(delays: SandboxDelays, mailbox: Arc<dyn Mailbox>, env: Env) -> Self {
        let keeper = Arc::new(Keeper::new(Arc::new(Timer::default()), mailbox));
        let (lines, shown, loaded) = (Mutex::default(), Mutex::default(), OnceCell::new());
        Self { delays, env, keeper, lines, shown, loaded }
    }

    /// Takes up what an earlier process owed, once. It waits at the lines until their sessions connect.
    pub(super) async fn load(&self) -> Result<(), MailboxError> {
        let load = async || {
            for owed in self.keeper.load().await? {
                self.take_up(owed);
            }
            Ok(())
        };
        self.loaded.get_or_try_init(load).await.copied()
    }

    fn take_up(&self, owed: Owed) {
        let Owed { session, wa_id, to, taken_at, receipts, reply } = owed;
        // What a repeat of it does depends on whether it was seen.
        if reply.is_some() || waits_for_repeat(conduct_of(&to)) {
            self.seen_before(session, &wa_id, !receipts);
        }
        if !receipts {
            return;
        }
        let line = self.line(session);
        let now = self.env.now();
        let steps = what_is_left(script(conduct_of(&to), reply, true, &self.delays, now));
        // Where the clock does not go back that far the delays begin again.
        let launched = Instant::now().checked_sub(now.since(taken_at)).unwrap_or_else(Instant::now);
        let flight = Flight {
            sent_over: UNKNOWN,
            wa_id,
            to,
            kept: true,
            told: None,
            _places: self.keeper.timer.places(&line.places),
            line: Arc::clone(&line),
        };
        if let Some(entry) = Entry::first(Departure { flight, steps, launched }) {
            line.wait(entry);
        }
    }

    /// The session's line, which outlives its links: what waits for a disconnected session waits there.
    pub(super) fn line(&self, session: SessionId) -> Arc<Line> {
        let mut lines = unpoisoned(&self.lines);
        let line = || Arc::new(Line::new(session, Arc::clone(&self.keeper), self.env.clone()));
        Arc::clone(lines.entry(session).or_insert_with(line))
    }

    /// Drops the session's line and all that waits there, on disk too.
    pub(super) async fn forget(&self, session: SessionId) -> Result<(), MailboxError> {
        let line = unpoisoned(&self.lines).remove(&session);
        if let Some(line) = line {
            line.retire();
        }
        self.keeper.forget(session).await
    }

    /// Remembers a message; says whether it was known before. `by_id_alone` says that nothing more than its id is put
    /// into the mailbox; a repeat puts in the rest.
    pub(super) fn seen_before(&self, session: SessionId, wa_id: &WaMessageId, by_id_alone: bool) -> bool {
        let mut shown = unpoisoned(&self.shown);
        let key = (session, wa_id.clone());
        if let Some(by_id_alone) = shown.known.get_mut(&key) {
            *by_id_alone = false;
            return true;
        }
        shown.known.insert(key.clone(), by_id_alone);
        shown.order.push_back(key);
        if shown.order.len() > MAX_REMEMBERED
            && let Some(oldest) = shown.order.pop_front()
            && shown.known.remove(&oldest) == Some(true)
        {
            let (session, wa_id) = oldest;
            self.keeper.drop_id(session, wa_id);
        }
        false
    }
}

/// Locks a mutex whose contents no panic can leave half-changed.
pub(super) fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::MemoryMailbox;

    #[test]
    fn the_memory_for_repeats_is_bounded() {
        let network = Network::new(SandboxDelays::NONE, Arc::new(MemoryMailbox::default()), Env::system());
        let session = network.env.new_id();
        let id = |n: usize| WaMessageId::from(format!("3EB0{n}"));
        for n in 0..MAX_REMEMBERED + 10 {
            assert!(!network.seen_before(session, &id(n), false));
        }
        assert_eq!(unpoisoned(&network.shown).known.len(), MAX_REMEMBERED);
        assert!(network.seen_before(session, &id(MAX_REMEMBERED), false));
        assert!(!network.seen_before(session, &id(0), false), "the oldest went");
    }
}
