//! Which sessions memory knows: a bounded cache of rows, in which whatever is in use stays.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use waypost_domain::{Session, SessionId};

use crate::live::LiveSession;

/// The most sessions that are remembered beyond those in use. At about 1 KiB each, 64 MiB at the worst.
const REMEMBERED: usize = 65_536;

/// Every session that memory knows.
pub(crate) struct Directory {
    sessions: RwLock<HashMap<SessionId, Arc<LiveSession>>>,
    capacity: usize,
}

impl Default for Directory {
    fn default() -> Self {
        Self::with_capacity(REMEMBERED)
    }
}

impl Directory {
    fn with_capacity(capacity: usize) -> Self {
        Self { sessions: RwLock::default(), capacity }
    }

    /// The session, where memory knows it.
    pub(crate) fn get(&self, id: SessionId) -> Option<Arc<LiveSession>> {
        self.sessions.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// Takes note of a row, and gives what memory knows. What memory knew before wins: it is the newer.
    pub(crate) fn remember(&self, row: Session) -> Arc<LiveSession> {
        let mut sessions = self.sessions.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = sessions.get(&row.id) {
            return known.clone();
        }
        if sessions.len() >= self.capacity {
            Self::forget_some(&mut sessions, self.capacity / 8 + 1);
        }
        let session = Arc::new(LiveSession::new(row));
        sessions.insert(session.id, session.clone());
        session
    }

    /// Every session with an open link.
    pub(crate) fn open(&self) -> Vec<Arc<LiveSession>> {
        let sessions = self.sessions.read().unwrap_or_else(PoisonError::into_inner);
        sessions.values().filter(|session| session.live().link.is_some()).cloned().collect()
    }

    fn forget_some(sessions: &mut HashMap<SessionId, Arc<LiveSession>>, mut count: usize) {
        sessions.retain(|_, session| {
            // Whatever is in use is held elsewhere too: by a step, a task, or the sink of an open link.
            let in_use = Arc::strong_count(session) > 1 || session.live().link.is_some();
            let keep = in_use || count == 0;
            count -= usize::from(!keep);
            keep
        });
    }
}

#[cfg(test)]
mod tests {
    use waypost_domain::Env;

    use super::*;
    use crate::live::a_row as row;

    #[test]
    fn the_cache_is_bounded_and_keeps_what_is_in_use() {
        let env = Env::system();
        let directory = Directory::with_capacity(16);
        let in_use = directory.remember(row(&env));
        for _ in 0..1000 {
            directory.remember(row(&env));
            assert!(directory.sessions.read().unwrap().len() <= 16);
        }
        assert!(Arc::ptr_eq(&in_use, &directory.get(in_use.id).unwrap()));
    }

    #[test]
    fn a_row_read_late_does_not_replace_what_memory_knows() {
        let env = Env::system();
        let directory = Directory::default();
        let row = row(&env);
        let known = directory.remember(row.clone());
        known.change(|live| live.gone = true);
        assert!(directory.remember(row).is_gone());
    }
}
