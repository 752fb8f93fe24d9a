//! Supervise: sessions that should be connected come back by themselves, without a new QR code and never all at once.
//!
//! After a start every session that is wanted and linked; while the process runs those whose last attempt ended in a way
//! that may pass, at their time ([`waypost_domain::SessionState::retry_at`]), and those of a refused client version when
//! a new one is set. It guarantees that
//! - at most `session_logins_per_second` of them begin to log in each second, evenly spaced, however many there are: many
//!   logins from one address in one moment look like an attack;
//! - at most [`AT_ONCE`] are on their way at once;
//! - tenants take turns, so that one with thousands of sessions does not keep the others waiting;
//! - nothing is connected early: what is restricted stays so across restarts.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, sleep_until, timeout},
};
use waypost_domain::{Session, SessionInput, SessionStatus, Timestamp};

use crate::{GatewayError, Inner, live::LiveSession};

/// How many sessions may be on their way to `connected` at once.
const AT_ONCE: usize = 64;
/// How long one of them may keep the next waiting.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait after the database failed.
const RETRY: Duration = Duration::from_secs(1);
/// The longest time between two looks at the clock, which may be set.
const LOOK: Duration = Duration::from_secs(30);

/// Which sessions are to be connected without anybody asking, and when. Whether that is still so is looked at when their
/// time has come.
#[derive(Default)]
pub(crate) struct Supervision {
    plan: Mutex<Plan>,
    changed: Notify,
}

#[derive(Default)]
struct Plan {
    /// By time, then by turn, then in the order of planning.
    sessions: BTreeMap<(Timestamp, u32, u64), Arc<LiveSession>>,
    planned: u64,
}

impl Supervision {
    /// Plans an attempt.
    pub(crate) fn plan(&self, session: &Arc<LiveSession>, at: Timestamp) {
        self.plan_many([(session.clone(), at)]);
    }

    /// Plans attempts; of those for the same time, tenants take turns.
    fn plan_many(&self, sessions: impl IntoIterator<Item = (Arc<LiveSession>, Timestamp)>) {
        let mut turns: HashMap<_, u32> = HashMap::new();
        let mut plan = self.locked();
        for (session, at) in sessions {
            let turn = turns.entry(session.tenant_id).or_default();
            *turn += 1;
            plan.planned += 1;
            let place = (at, *turn, plan.planned);
            plan.sessions.insert(place, session);
        }
        drop(plan);
        self.changed.notify_one();
    }

    /// The next session whose time has come, or the time of the next.
    fn next(&self, now: Timestamp) -> Result<Arc<LiveSession>, Option<Timestamp>> {
        let mut plan = self.locked();
        match plan.sessions.first_entry() {
            Some(first) if first.key().0 <= now => Ok(first.remove()),
            Some(first) => Err(Some(first.key().0)),
            None => Err(None),
        }
    }

    fn locked(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Brings sessions back, until the process stops.
pub(super) async fn run(inner: &Arc<Inner>) {
    let work = async {
        let sessions = to_resume(inner).await;
        if !sessions.is_empty() {
            tracing::info!(sessions = sessions.len(), "sessions come back");
        }
        come_back(inner, sessions);
        work(inner).await;
    };
    tokio::select! {
        () = work => {}
        () = inner.stopping.cancelled() => {}
    }
}

/// Brings back the sessions whose client version was refused.
pub(crate) async fn resume_outdated(inner: &Inner) -> Result<usize, GatewayError> {
    let mut sessions = inner.store.sessions_to_resume_system().await?;
    sessions.retain(|session| session.status == SessionStatus::ClientOutdated);
    let count = sessions.len();
    come_back(inner, sessions);
    Ok(count)
}

fn come_back(inner: &Inner, rows: Vec<Session>) {
    let now = inner.env.now();
    inner.supervision.plan_many(rows.into_iter().map(|row| {
        let session = inner.sessions.remember(row);
        let at = session.live().state.retry_at().unwrap_or(now);
        (session, at)
    }));
}

async fn to_resume(inner: &Inner) -> Vec<Session> {
    loop {
        match inner.store.sessions_to_resume_system().await {
            Ok(sessions) => return sessions,
            Err(error) => {
                tracing::error!(%error, "sessions cannot come back because the database failed; trying again");
                sleep(RETRY).await;
            }
        }
    }
}

async fn work(inner: &Arc<Inner>) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let pause = Duration::from_secs(1) / inner.config.session_logins_per_second.max(1);
    let mut turn = Instant::now();
    loop {
        let session = match inner.supervision.next(inner.env.now()) {
            Ok(session) => session,
            Err(next) => {
                let wait = next.map_or(LOOK, |next| next.since(inner.env.now()).min(LOOK));
                let _ = timeout(wait, inner.supervision.changed.notified()).await;
                continue;
            }
        };
        // A caller may have been faster, with a connect, a disconnect or a delete.
        if !session.is_due(inner.env.now()) {
            continue;
        }
        let Ok(place) = places.clone().acquire_owned().await else { return };
        sleep_until(turn).await;
        turn = Instant::now() + pause;
        inner.tasks.spawn(resume(inner.clone(), session, place));
    }
}

async fn resume(inner: Arc<Inner>, session: Arc<LiveSession>, _place: OwnedSemaphorePermit) {
    if let Err(error) = inner.connect(&session, SessionInput::Retry).await {
        // Where it did not even start, the next attempt is planned already.
        tracing::error!(tenant.id = %session.tenant_id, session.id = %session.id, %error, "a session did not come back");
        return;
    }
    // One that takes long goes on by itself; it only makes room for the next.
    tokio::select! {
        _ = timeout(PATIENCE, session.until(|live| live.state.status != SessionStatus::Connecting)) => {}
        () = inner.stopping.cancelled() => {}
    }
}

#[cfg(test)]
mod tests {
    use waypost_domain::Env;

    use super::*;
    use crate::live::{LiveSession, a_row};

    #[test]
    fn tenants_take_turns_and_nothing_is_early() {
        let env = Env::system();
        let (large, small) = (env.new_id(), env.new_id());
        let session = |tenant_id| Arc::new(LiveSession::new(Session { tenant_id, ..a_row(&env) }));
        let now = env.now();
        let supervision = Supervision::default();
        let tenants = [large, large, large, small, small];
        supervision.plan_many(tenants.map(|tenant| (session(tenant), now)));
        let later = now.plus(Duration::from_secs(5));
        supervision.plan(&session(small), later);
        let order: Vec<_> = std::iter::from_fn(|| supervision.next(now).ok()).map(|next| next.tenant_id).collect();
        assert_eq!(order, [large, small, large, small, large]);
        assert_eq!(supervision.next(now).err(), Some(Some(later)));
        assert!(supervision.next(later).is_ok());
        assert_eq!(supervision.next(later).err(), Some(None));
    }
}
