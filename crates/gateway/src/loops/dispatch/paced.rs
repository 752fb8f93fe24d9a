//! The dispatcher of a paced session: messages that may not go yet stay queued, where they can still be canceled.
//!
//! It guarantees that every send call is counted on disk before it begins: a fresh message by its claim, in the same
//! commit; one that goes out again, by a commit of its own. So whatever dies, the next process knows at least what left.

use std::{sync::Arc, time::Duration};

use futures::stream::FuturesUnordered;
use tokio::time::Instant;
use waypost_domain::{Failure, FailureCode, Jid, MessageStatus, Pacing, StatusChange, Timestamp};
use waypost_store::{Evidence, MessageRef, PacedClaim, PacedClaimed, StoreError};

use super::{
    Claim, Claimed, Dispatcher,
    outbox::Item,
    pace::{self, Chores, Paced},
    pacer::Lane,
    send::{Outcome, send},
};
use crate::{
    Inner,
    live::{Connection, LiveSession},
};

/// How old the count of a claim may be when its message is handed over. Past it the message is counted again.
const FRESH: Duration = Duration::from_secs(10);
/// How long a claimed message may wait for its turn. The minute's limit lets it go sooner; what has to wait for the
/// day's, or for the end of a pause, does not say `sending` all that time.
const PATIENCE: Duration = Duration::from_mins(3);
/// How long to wait after the database failed.
const RETRY: Duration = Duration::from_millis(500);
/// How far back what was sent matters: the longest window, and what the pacer adds to it.
const REMEMBER: Duration = Duration::from_hours(25);

/// How many messages may be claimed now.
pub(super) enum Allowance {
    /// The session is not paced.
    Unlimited,
    /// So many in all, so many first contacts among them, to be counted under this time.
    Messages { known: u32, first: u32, stamp: Timestamp },
    /// None before this time, or before something comes out of its send call.
    Later(Option<Instant>),
}

/// A send call with the lane that it was counted in.
pub(super) type Sent = (Option<Lane>, Outcome);

/// Hands over a message that may go. `lane` is `None` where the session is not paced.
pub(super) async fn hand_over(
    inner: &Inner,
    session: &Arc<LiveSession>,
    connection: &Connection,
    mut item: Item,
    lane: Option<Lane>,
) -> Sent {
    if let Some(counted_in) = lane {
        let stamp = session.pace().paced().map_or_else(|| inner.env.now(), |paced| paced.stamp(&inner.env));
        let is_counted = item.counted.take().is_some_and(|at| stamp.since(at) <= FRESH);
        if !is_counted {
            let first_contact = counted_in == Lane::FirstContact;
            if let Err(error) = inner.store.spend_system(session.id, stamp, first_contact).await {
                log_database(session, &error);
                return (lane, Outcome::Again(item, Instant::now() + RETRY));
            }
        }
    }
    (lane, send(inner, session, connection, item).await)
}

impl Dispatcher<'_> {
    /// Makes the session's pace hold, where it does not yet. `false` where the database failed.
    pub(super) async fn prepare(&self) -> bool {
        loop {
            let choice = {
                let pace = self.session.pace();
                if pace.is_prepared() {
                    return true;
                }
                pace.choice()
            };
            let limits = choice.over(self.inner.default_pacing(self.session.engine));
            match self.read_pace(limits).await {
                Ok(paced) => {
                    let mut pace = self.session.pace();
                    // Another may have been chosen meanwhile.
                    if pace.choice() == choice {
                        pace.prepared(paced, &self.inner.env);
                    }
                }
                Err(error) => {
                    log_database(self.session, &error);
                    return false;
                }
            }
        }
    }

    async fn read_pace(&self, limits: Pacing) -> Result<Option<Paced>, StoreError> {
        let (store, session) = (&self.inner.store, self.session.id);
        if limits.is_off() {
            store.leave_lanes_system(session).await?;
            return Ok(None);
        }
        let spent = store.spent_system(session, self.inner.env.now().minus(REMEMBER)).await?;
        Ok(Some(Paced::new(limits, &spent, self.inner.env.now())))
    }

    /// Writes what the pace has to remember. `false` where the database failed.
    pub(super) async fn do_chores(&mut self) -> bool {
        let Some(chores) = self.session.pace().take_chores() else { return true };
        let done = self.write_chores(&chores).await;
        if let Err(error) = done {
            log_database(self.session, &error);
            self.session.pace().give_back(chores);
            return false;
        }
        self.more |= chores.met_too_many || !chores.met.is_empty();
        true
    }

    async fn write_chores(&self, chores: &Chores) -> Result<(), StoreError> {
        let (store, session) = (&self.inner.store, self.session.id);
        if let Some(pause) = &chores.pause {
            store.set_first_contact_pause_system(session, pause.clone()).await?;
        }
        if !chores.met.is_empty() || chores.met_too_many {
            // The word that proves it must be on disk first, or the next claim would take the chat for a stranger's.
            self.inner.recorder.flush().await;
        }
        if chores.met_too_many {
            store.met_anew_system(self.session.tenant_id, session).await
        } else if chores.met.is_empty() {
            Ok(())
        } else {
            store.met_system(session, chores.met.clone()).await
        }
    }

    /// Hands out what may go now. Returns when the next may that waits, where the pace holds one up.
    pub(super) fn hand_out<F: Future<Output = Sent>>(
        &self,
        sends: &mut FuturesUnordered<F>,
        start: impl Fn(Item, Option<Lane>) -> F,
    ) -> Option<Instant> {
        let mut outbox = self.session.outbox();
        let mut pace = self.session.pace();
        let Some(paced) = pace.paced() else {
            while let Some(item) = outbox.next() {
                sends.push(start(item, None));
            }
            return None;
        };
        while let Some(item) = outbox.next_if(|item| paced.take(item, &self.inner.env)) {
            let lane = pace::lane(&item);
            sends.push(start(item, Some(lane)));
        }
        let env = &self.inner.env;
        let mut held_up = None;
        for lane in [Lane::Known, Lane::FirstContact] {
            let waits = outbox.in_turn().any(|item| pace::lane(item) == lane);
            if waits && paced.room(lane, env) == 0 {
                held_up = held_up.into_iter().chain(paced.free_at(lane, env)).min();
            }
        }
        held_up
    }

    /// Takes back what is claimed and may not go for long: what never left waits in the queue, what left and was not
    /// acknowledged has failed.
    pub(super) async fn take_back(&mut self) {
        let hopeless = {
            let mut outbox = self.session.outbox();
            let mut pace = self.session.pace();
            let Some(paced) = pace.paced() else { return };
            if outbox.in_turn().next().is_none() {
                return;
            }
            let limit = Instant::now() + PATIENCE;
            let mut too_late = |lane| paced.free_at(lane, &self.inner.env).is_some_and(|at| at > limit);
            let (known, first) = (too_late(Lane::Known), too_late(Lane::FirstContact));
            outbox.take_waiting(|item| if pace::lane(item) == Lane::FirstContact { first } else { known })
        };
        if hopeless.is_empty() {
            return;
        }
        let at = self.inner.env.now();
        let evidence = hopeless.into_iter().map(|item| {
            let change = if item.tries.sends > 0 {
                let reason = "no acknowledgement; the day's limit of messages did not allow to send it again";
                StatusChange::Failed(Failure { code: FailureCode::NoAck, reason: Some(reason.to_owned()) })
            } else {
                StatusChange::To(MessageStatus::Queued)
            };
            Evidence { session_id: self.session.id, message: MessageRef::Id(item.message.id), change, at }
        });
        self.inner.recorder.commit(self.session, evidence.collect()).await;
        self.more = true;
    }

    /// How many messages the pace lets the session claim now.
    pub(super) fn allowance(&self) -> Allowance {
        let mut pace = self.session.pace();
        let Some(paced) = pace.paced() else { return Allowance::Unlimited };
        let env = &self.inner.env;
        let (known, first) = (paced.room(Lane::Known, env), paced.room(Lane::FirstContact, env));
        if known == 0 || !(self.more || first > 0) {
            let lane = if self.more { Lane::Known } else { Lane::FirstContact };
            return Allowance::Later(paced.free_at(lane, env));
        }
        Allowance::Messages { known, first, stamp: paced.stamp(env) }
    }

    /// A claim of a paced session.
    pub(super) fn claim_paced(&self, limit: u32, first_contacts: u32, busy: Vec<Jid>, stamp: Timestamp) -> Claim {
        let wanted = PacedClaim {
            tenant_id: self.session.tenant_id,
            session_id: self.session.id,
            busy,
            on_their_way: self.session.outbox().strangers(),
            limit,
            first_contacts,
            now: stamp,
        };
        let store = self.inner.store.clone();
        Box::pin(async move {
            let claimed = store.claim_paced_system(wanted).await?;
            let PacedClaimed { messages, more, first_contacts_wait } = claimed;
            Ok(Claimed { messages, more, first_contacts_wait, counted: Some(stamp) })
        })
    }
}

fn log_database(session: &LiveSession, error: &StoreError) {
    tracing::error!(
        tenant.id = %session.tenant_id, session.id = %session.id, %error,
        "messages wait because the database failed; trying again",
    );
}
