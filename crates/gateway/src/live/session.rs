//! One session in memory: its state as the row has it, its link, and what is under way on it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;
use waypost_domain::{
    ConnectionId, EngineKind, PhoneNumber, Session, SessionEvent, SessionId, SessionState, SessionStatus, TenantId,
    Timestamp,
};
use waypost_engine::Link;

use crate::{
    live::OnDemand,
    loops::{
        dispatch::{Outbox, Pace},
        record::Ledger,
    },
    people::People,
    sessions::Qr,
};

/// The most state events of one session that wait to be written. A session has about ten in its whole way to
/// `connected`; one that makes more in the time of a commit is flapping, and its oldest moods may be forgotten.
const STATE_EVENTS: usize = 64;

/// A session in memory.
pub(crate) struct LiveSession {
    pub(crate) id: SessionId,
    pub(crate) tenant_id: TenantId,
    pub(crate) engine: EngineKind,
    /// Held by whoever takes a step with the session, so that steps on one session come one after another. Steps on
    /// different sessions never wait for each other.
    pub(crate) steps: tokio::sync::Mutex<()>,
    /// Wakes the session's dispatcher.
    pub(crate) dispatch: OnDemand,
    /// Wakes the task that writes the session's state events.
    pub(crate) state_writer: OnDemand,
    /// How far the receipts that came in are on disk.
    pub(crate) receipts: Ledger,
    live: watch::Sender<Live>,
    outbox: Mutex<Outbox>,
    pace: Mutex<Pace>,
    /// Held while the session's people are read.
    pub(crate) reading_people: tokio::sync::Mutex<()>,
    /// The people whom the session knows; read when they are first asked for.
    people: Mutex<Option<Box<People>>>,
    state_events: Mutex<VecDeque<(u64, SessionEvent)>>,
}

/// What changes while a session lives.
pub(crate) struct Live {
    pub(crate) name: String,
    pub(crate) state: SessionState,
    pub(crate) phone_number: Option<PhoneNumber>,
    /// The code that waits to be scanned.
    pub(crate) qr: Option<Qr>,
    /// The open line to the network.
    pub(crate) link: Option<OpenLink>,
    /// How many links were opened so far: state events of an earlier one count no more.
    pub(crate) links_opened: u64,
    /// How many connections the session had so far: tells one from the next.
    pub(crate) connections: u64,
    /// What the link calls the last of them.
    pub(crate) connection: ConnectionId,
    /// Being logged out: nothing goes out any more.
    pub(crate) leaving: bool,
    /// Being deleted, or deleted already.
    pub(crate) gone: bool,
}

impl Live {
    /// The link on which messages can go out now.
    fn sending_link(&self) -> Option<&OpenLink> {
        self.link.as_ref().filter(|_| self.state.status == SessionStatus::Connected && !self.leaving)
    }
}

/// An open line, and which one it is.
#[derive(Clone)]
pub(crate) struct OpenLink {
    pub(crate) link: Arc<dyn Link>,
    pub(crate) number: u64,
}

/// A line on which messages can go out.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) number: u64,
    pub(crate) link: Arc<dyn Link>,
    /// What the link calls it.
    pub(crate) id: ConnectionId,
}

impl LiveSession {
    pub(crate) fn new(row: Session) -> Self {
        Self {
            id: row.id,
            tenant_id: row.tenant_id,
            engine: row.engine,
            steps: tokio::sync::Mutex::new(()),
            dispatch: OnDemand::default(),
            state_writer: OnDemand::default(),
            receipts: Ledger::default(),
            live: watch::Sender::new(Live {
                name: row.name,
                state: SessionState {
                    status: row.status,
                    linked: row.linked,
                    wanted: row.wanted,
                    last_error: row.last_error,
                },
                phone_number: row.phone_number,
                qr: None,
                link: None,
                links_opened: 0,
                connections: 0,
                connection: ConnectionId::default(),
                leaving: false,
                gone: false,
            }),
            outbox: Mutex::default(),
            pace: Mutex::new(Pace::new(row.pacing, row.first_contact_pause)),
            reading_people: tokio::sync::Mutex::default(),
            people: Mutex::default(),
            state_events: Mutex::default(),
        }
    }

    /// Looks at what changes. Short: nothing may be awaited while the look lasts.
    pub(crate) fn live(&self) -> watch::Ref<'_, Live> {
        self.live.borrow()
    }

    /// Changes it and wakes whoever waits for a change.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Live) -> T) -> T {
        let mut answer = None;
        self.live.send_modify(|live| answer = Some(change(live)));
        answer.expect("send_modify runs its closure exactly once")
    }

    /// Waits until `condition` holds. Whoever calls it sets the time limit.
    pub(crate) async fn until(&self, condition: impl FnMut(&Live) -> bool) {
        // The sender lives in `self`, so the wait cannot end by its being dropped.
        let _ = self.live.subscribe().wait_for(condition).await;
    }

    pub(crate) fn status(&self) -> SessionStatus {
        self.live().state.status
    }

    /// Whether it is to be connected now without anybody asking. A state that speaks of a connection is believed only
    /// where there is a line: it may have been read before the start put the rows right.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        let live = self.live();
        !live.gone && live.state.is_due(now) && !(live.state.is_under_way() && live.link.is_some())
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.live().gone
    }

    /// The code that waits to be scanned now.
    pub(crate) fn qr(&self, now: Timestamp) -> Option<Qr> {
        self.live().qr.clone().filter(|qr| qr.expires_at > now)
    }

    /// The line on which messages can go out now.
    pub(crate) fn connection(&self) -> Option<Connection> {
        let live = self.live();
        live.sending_link().map(|open| Connection {
            number: live.connections,
            link: open.link.clone(),
            id: live.connection,
        })
    }

    /// Whether `connection` is still the one on which messages go out.
    pub(crate) fn is_on(&self, connection: &Connection) -> bool {
        let live = self.live();
        live.sending_link().is_some() && live.connections == connection.number
    }

    /// The messages that are on their way. Never held across an await.
    pub(crate) fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How fast messages may go. Never held across an await. Who needs the outbox too takes that first.
    pub(crate) fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The people whom the session knows. Never held across an await.
    pub(crate) fn people(&self) -> MutexGuard<'_, Option<Box<People>>> {
        self.people.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a state event of link `number` in line to be written.
    pub(crate) fn push_state_event(&self, number: u64, event: SessionEvent) {
        let mut events = self.state_events.lock().unwrap_or_else(PoisonError::into_inner);
        if events.len() >= STATE_EVENTS {
            // What is final or carries facts stays; of the moods between, the oldest goes.
            let is_mood = |event: &SessionEvent| !matches!(event, SessionEvent::Linked { .. } | SessionEvent::Ended(_));
            let oldest = events.iter().position(|(_, event)| is_mood(event)).unwrap_or(0);
            events.remove(oldest);
        }
        events.push_back((number, event));
    }

    /// The next state event to write, with the number of its link.
    pub(crate) fn pop_state_event(&self) -> Option<(u64, SessionEvent)> {
        self.state_events.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

/// A session's row as `create` leaves it.
#[cfg(test)]
pub(crate) fn a_row(env: &waypost_domain::Env) -> Session {
    Session {
        id: env.new_id(),
        tenant_id: env.new_id(),
        name: "sales".to_owned(),
        engine: EngineKind::Sandbox,
        status: SessionStatus::Disconnected,
        linked: false,
        wanted: false,
        phone_number: None,
        lid: None,
        push_name: None,
        last_error: None,
        connected_at: None,
        pacing: waypost_domain::PacingChoice::default(),
        first_contact_pause: None,
        created_at: env.now(),
        updated_at: env.now(),
    }
}

/// A session in memory.
#[cfg(test)]
pub(crate) fn a_session(env: &waypost_domain::Env) -> Arc<LiveSession> {
    Arc::new(LiveSession::new(a_row(env)))
}

#[cfg(test)]
mod tests {
    use waypost_domain::{EndReason, Env};

    use super::*;

    fn connected() -> SessionEvent {
        SessionEvent::Connected { connection: ConnectionId(1), push_name: None }
    }

    #[test]
    fn a_remembered_session_is_small() {
        assert!(size_of::<LiveSession>() <= 1024, "{} bytes", size_of::<LiveSession>());
    }

    #[test]
    fn a_flapping_session_has_so_many_events_in_line_and_keeps_the_final_ones() {
        let session = a_session(&Env::system());
        session.push_state_event(1, SessionEvent::Ended(EndReason::Replaced));
        for _ in 0..1000 {
            session.push_state_event(1, SessionEvent::Connecting);
        }
        session.push_state_event(2, connected());
        let events: Vec<_> = std::iter::from_fn(|| session.pop_state_event()).collect();
        assert_eq!(events.len(), STATE_EVENTS);
        assert_eq!(events[0], (1, SessionEvent::Ended(EndReason::Replaced)));
        assert_eq!(events.last(), Some(&(2, connected())));
    }
}
