//! Schedule: messages whose `sendAt` has come are queued.
//!
//! It guarantees that
//! - a scheduled message is queued when its time comes, well within a second, whether its session is connected or not;
//!   one that became due while no process ran, at the start;
//! - a burst stays fair: messages are queued in small commits between which everybody else writes, and each session's
//!   dispatcher is woken after each;
//! - messages become `queued` in the order of their `sendAt`, of the same time in the order of acceptance. Those that
//!   then wait together leave in the order of acceptance, like all that wait (docs/guarantees.md 4).
//!
//! It sleeps until the next `sendAt`, which the writer tells it and an earlier accept sets forward ([`Alarm`]).

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;
use waypost_domain::Timestamp;
use waypost_store::StoreError;

use super::dispatch;
use crate::Inner;

/// How long to wait after the database failed.
const RETRY: Duration = Duration::from_millis(500);
/// How often to look though nothing is known to be due: another process may have accepted something.
const LOOK_ANYWAY: Duration = Duration::from_mins(1);

/// Queues what is due, until the process stops.
pub(super) async fn run(inner: &Arc<Inner>) {
    let alarm = &inner.due;
    while !inner.stopping.is_cancelled() {
        alarm.reset();
        match queue_due(inner).await {
            Ok(next) => next.into_iter().for_each(|at| alarm.set(at)),
            Err(error) => {
                tracing::error!(%error, "scheduled messages wait because the database failed; trying again");
                alarm.set(inner.env.now().plus(RETRY));
            }
        }
        tokio::select! {
            () = alarm.rings(&inner.env) => {}
            () = sleep(LOOK_ANYWAY) => {}
            () = inner.stopping.cancelled() => {}
        }
    }
}

/// Queues all that is due now. Returns when the next message is.
async fn queue_due(inner: &Arc<Inner>) -> Result<Option<Timestamp>, StoreError> {
    loop {
        let now = inner.env.now();
        let due = inner.store.queue_due_system(now).await?;
        for session in due.sessions {
            if let Some(session) = inner.sessions.get(session)
                && session.connection().is_some()
            {
                dispatch::wake(inner, &session);
            }
        }
        if inner.stopping.is_cancelled() || due.next.is_none_or(|at| at > now) {
            return Ok(due.next);
        }
    }
}
