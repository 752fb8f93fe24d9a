//! What all sandbox sessions of an engine share: the lines by session, the timer, and the memory of what was shown.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use waypost_domain::{Env, SessionId, WaMessageId};

use super::{SandboxDelays, line::Line, timer::Timer};

/// How many message ids the engine remembers to know repeats by; the oldest go first.
pub(super) const MAX_REMEMBERED: usize = 10_000;

/// The pretend network.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) delays: SandboxDelays,
    pub(super) env: Env,
    pub(super) timer: Arc<Timer>,
    lines: Mutex<HashMap<SessionId, Arc<Line>>>,
    shown: Mutex<Shown>,
}

/// The ids of the newest messages for which a repeat makes a difference.
#[derive(Debug, Default)]
struct Shown {
    known: HashSet<(SessionId, WaMessageId)>,
    order: VecDeque<(SessionId, WaMessageId)>,
}

impl Network {
    pub(super) fn new(delays: SandboxDelays, env: Env) -> Self {
        Self { delays, env, timer: Arc::default(), lines: Mutex::default(), shown: Mutex::default() }
    }

    /// The session's line, which outlives its links: what waits for a disconnected session waits there.
    pub(super) fn line(&self, session: SessionId) -> Arc<Line> {
        let mut lines = unpoisoned(&self.lines);
        Arc::clone(lines.entry(session).or_insert_with(|| Arc::new(Line::new(session, self.env.clone()))))
    }

    /// Drops the session's line and all that waits there.
    pub(super) fn forget(&self, session: SessionId) {
        let line = unpoisoned(&self.lines).remove(&session);
        if let Some(line) = line {
            line.retire();
        }
    }

    /// Remembers a message; says whether it was known before.
    pub(super) fn seen_before(&self, session: SessionId, wa_id: &WaMessageId) -> bool {
        let mut shown = unpoisoned(&self.shown);
        let key = (session, wa_id.clone());
        if !shown.known.insert(key.clone()) {
            return true;
        }
        shown.order.push_back(key);
        if shown.order.len() > MAX_REMEMBERED
            && let Some(oldest) = shown.order.pop_front()
        {
            shown.known.remove(&oldest);
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

    #[test]
    fn the_memory_for_repeats_is_bounded() {
        let network = Network::new(SandboxDelays::NONE, Env::system());
        let session = network.env.new_id();
        let id = |n: usize| WaMessageId::from(format!("3EB0{n}"));
        for n in 0..MAX_REMEMBERED + 10 {
            assert!(!network.seen_before(session, &id(n)));
        }
        assert_eq!(unpoisoned(&network.shown).known.len(), MAX_REMEMBERED);
        assert!(network.seen_before(session, &id(MAX_REMEMBERED)));
        assert!(!network.seen_before(session, &id(0)), "the oldest went");
    }
}
