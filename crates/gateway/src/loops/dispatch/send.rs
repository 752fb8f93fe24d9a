//! One message's send call and what comes of it.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout};
use waypost_domain::{Env, Failure, FailureCode, StatusChange};
use waypost_engine::SendFailure;
use waypost_store::{Evidence, MessageRef};

use super::{SEND_FAILURES, SEND_TIME, outbox::Item};
use crate::{
    Inner,
    live::{Connection, LiveSession},
};

/// The pause after the first failure; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Where a send call leaves its message.
pub(super) enum Outcome {
    /// Handed over.
    Sent(Item),
    /// To be tried again at a time.
    Again(Item, Instant),
    /// The link is not connected.
    Parked(Item),
    /// Failed, and that is on disk.
    Closed(Item),
}

/// Hands a message to the link. A failure that is final is on disk when this returns.
pub(super) async fn send(
    inner: &Inner,
    session: &Arc<LiveSession>,
    connection: &Connection,
    mut item: Item,
) -> Outcome {
    let failure = match timeout(SEND_TIME, connection.link.send(connection.id, &item.message.outgoing)).await {
        Ok(Ok(())) => return Outcome::Sent(item),
        Ok(Err(failure)) => failure,
        Err(_) => {
            // It may have left all the same.
            item.tries.sends += 1;
            SendFailure::Retry { reason: format!("no answer in {} s", SEND_TIME.as_secs()) }
        }
    };
    let (code, reason) = match failure {
        SendFailure::Park { .. } => return Outcome::Parked(item),
        SendFailure::Retry { reason } => {
            item.tries.failures += 1;
            if item.tries.failures < SEND_FAILURES {
                let pause = pause_after(item.tries.failures, &inner.env);
                tracing::debug!(
                    tenant.id = %session.tenant_id, session.id = %session.id, message.id = %item.message.id,
                    reason, ?pause, "a message was not handed over; trying again",
                );
                return Outcome::Again(item, Instant::now() + pause);
            }
            // What may have left was not refused by anyone: nobody confirmed it.
            (if item.tries.sends > 0 { FailureCode::NoAck } else { FailureCode::Unsendable }, reason)
        }
        SendFailure::Reject { code, reason } => (code, reason),
        SendFailure::SessionGone { reason } => (FailureCode::SessionGone, reason),
    };
    let evidence = Evidence {
        session_id: session.id,
        message: MessageRef::Id(item.message.id),
        change: StatusChange::Failed(Failure { code, reason: Some(reason) }),
        at: inner.env.now(),
    };
    inner.recorder.commit(session, vec![evidence]).await;
    Outcome::Closed(item)
}

/// How long to wait after so many failures in a row: doubling, with up to a fifth of chance on top, so that many
/// messages that failed together do not come back together.
fn pause_after(failures: u32, env: &Env) -> Duration {
    let pause = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST_PAUSE);
    pause + pause.mul_f64(f64::from(u8::from_le_bytes(env.bytes())) / 255.0 / 5.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        let env = Env::system();
        let pauses: Vec<_> = (1..40).map(|failures| pause_after(failures, &env)).collect();
        assert!(pauses[0] >= FIRST_PAUSE && pauses[0] <= FIRST_PAUSE.mul_f64(1.2));
        assert!(pauses[3] >= FIRST_PAUSE * 8);
        assert!(pauses.iter().all(|pause| *pause <= LONGEST_PAUSE.mul_f64(1.2)));
    }
}
