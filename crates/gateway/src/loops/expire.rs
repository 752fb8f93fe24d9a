//! Expiry: a message that was not handed to the network by its `expiresAt` fails with `EXPIRED` and is never sent.
//!
//! Three places keep that, and none can undo another's work, for all go by the same time:
//! - a claim passes over what has expired, in its own commit (`waypost_store`);
//! - a dispatcher takes what expires while it waits in memory out before it hands anything over ([`super::dispatch`]);
//! - this loop fails what expires in the database, connected or not.
//!
//! A message that was handed over, or may have been, is not handed over again after its expiry. It then waits for an
//! acknowledgement of what left before, and fails with `NO_ACK`; the dispatcher sees to that while it is connected, and
//! this loop after the longest time that a dispatcher may take, so that no message stays `sending` for ever.
//!
//! The loop sleeps until the next expiry that it knows of: an accept sets it forward by one atomic step, nothing is
//! written for it. When that time has come it reads the index of open messages, which is small while messages flow, and
//! rests for many times as long as that took. By default messages expire a day after their accept, so it reads seldom.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};
use waypost_domain::Timestamp;
use waypost_store::{ExpiryTimes, StoreError};

use super::dispatch;
use crate::Inner;

/// How long to wait after the database failed.
const RETRY: Duration = Duration::from_millis(500);
/// How often to look though nothing is known to expire: another process may have accepted something.
const LOOK_ANYWAY: Duration = Duration::from_mins(1);
/// The rest after a look: so many times as long as the look took, within these bounds.
const REST: u32 = 20;
const SHORTEST_REST: Duration = Duration::from_millis(200);
const LONGEST_REST: Duration = Duration::from_secs(5);

/// Fails what expires, until the process stops.
pub(super) async fn run(inner: &Arc<Inner>) {
    let alarm = &inner.expiry;
    while !inner.stopping.is_cancelled() {
        alarm.reset();
        let started = Instant::now();
        match fail_expired(inner).await {
            Ok(next) => next.into_iter().for_each(|at| alarm.set(at)),
            Err(error) => {
                tracing::error!(%error, "expired messages wait because the database failed; trying again");
                alarm.set(inner.env.now().plus(RETRY));
            }
        }
        let rest = (started.elapsed() * REST).clamp(SHORTEST_REST, LONGEST_REST);
        let next = async {
            sleep(rest).await;
            tokio::select! {
                () = alarm.rings(&inner.env) => {}
                () = sleep(LOOK_ANYWAY) => {}
            }
        };
        tokio::select! {
            () = next => {}
            () = inner.stopping.cancelled() => {}
        }
    }
}

/// Fails all that has expired. Returns when the next message does.
async fn fail_expired(inner: &Arc<Inner>) -> Result<Option<Timestamp>, StoreError> {
    let grace = dispatch::longest_unconfirmed(&inner.config);
    loop {
        let now = inner.env.now();
        let next = inner.store.next_expiry_system(grace).await?;
        if inner.stopping.is_cancelled() || next.is_none_or(|at| at > now) {
            return Ok(next);
        }
        let times = ExpiryTimes { now, unconfirmed: now.minus(grace) };
        loop {
            let failed = inner.store.fail_expired_system(times).await?;
            if failed.is_empty() || inner.stopping.is_cancelled() {
                break;
            }
            for message in failed {
                tracing::info!(
                    tenant.id = %message.tenant_id, session.id = %message.session_id, message.id = %message.id,
                    code = message.code.as_str(), "a message failed",
                );
            }
        }
    }
}
