//! Dispatch: queued rows go out.
//!
//! Each session with something to send has one dispatcher, a task that exists only while there is work: an accepted
//! message, a new connection or an answer wakes it, nothing polls. It claims rows in the order of acceptance, hands
//! them to the link in order per chat with many chats at once ([`outbox`]), and waits for the network's word:
//!
//! - `Ok` from the link starts the acknowledgement's time. `sent` is never said here: only the network's
//!   acknowledgement says it ([`crate::loops::record`]).
//! - No acknowledgement in time, while connected: again under the same id, up to `send_attempts` in all, then
//!   `failed` with `NO_ACK`.
//! - `Retry`: again under the same id with growing pauses, [`SEND_FAILURES`] times in a row, then `failed`.
//! - Expired before it was handed over: `failed` with `EXPIRED`. Expired since: it does not go out again, and fails with
//!   `NO_ACK` unless the acknowledgement still comes in its time.
//! - `Reject`, `SessionGone`: `failed` with its code.
//! - `Park`, or the connection is gone: what never left goes back to `queued`; what left and is unanswered stays
//!   `sending`. On the next connection, in this process or the next, `sending` rows go out first, under their ids.
//!
//! A session that is paced ([`pacer`]) claims only what may go now, and counts on disk what goes ([`paced`]).

pub(crate) mod outbox;
pub(crate) mod pace;
mod paced;
mod pacer;
mod send;

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use futures::{
    FutureExt, StreamExt,
    future::{Fuse, FusedFuture},
    stream::FuturesUnordered,
};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use waypost_domain::{Failure, FailureCode, MessageStatus, StatusChange, Timestamp};
use waypost_store::{Evidence, MessageRef, OutboxMessage, StoreError};

pub(crate) use outbox::Outbox;
use outbox::{Item, Limits};
pub(crate) use pace::Pace;
use paced::{Allowance, Sent, hand_over};
use send::Outcome;

use crate::{
    GatewayConfig, Inner,
    live::{Connection, LiveSession},
};

/// How often a message may fail to be handed over, in a row, before it has failed for good. With the pauses of
/// [`send`] that is about half a minute.
const SEND_FAILURES: u32 = 6;
/// How long a link may take over one message. It fetches keys and waits for the offline queue, up to 60 s of it
/// (docs/protocol.md, "Sending").
const SEND_TIME: Duration = Duration::from_secs(90);
/// Claims that leave out busy chats read past those chats' rows, so they are made only so often.
const BUSY_CLAIM_PAUSE: Duration = Duration::from_millis(50);
/// The first and the longest pause after a link took back a message though its session is connected, or after the
/// database failed.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// How long a dispatcher waits for acknowledgements when the process stops.
const LAST_ACKS: Duration = Duration::from_secs(2);

type Claim = Pin<Box<dyn Future<Output = Result<Claimed, StoreError>> + Send>>;

/// What a claim brought.
struct Claimed {
    messages: Vec<OutboxMessage>,
    /// It may have left some behind.
    more: bool,
    /// First contacts wait that it did not take.
    first_contacts_wait: bool,
    /// When the messages were counted as sent, where somebody counts.
    counted: Option<Timestamp>,
}

/// Makes sure that the session's dispatcher looks at its queue.
pub(crate) fn wake(inner: &Arc<Inner>, session: &Arc<LiveSession>) {
    if inner.stopping.is_cancelled() || !session.dispatch.ask() {
        return;
    }
    let (inner, session) = (inner.clone(), session.clone());
    let tasks = inner.tasks.clone();
    tasks.spawn(async move {
        let work = Dispatcher::new(&inner, &session).run();
        if std::panic::AssertUnwindSafe(work).catch_unwind().await.is_err() {
            tracing::error!(tenant.id = %session.tenant_id, session.id = %session.id, "a dispatcher broke off");
            *session.outbox() = Outbox::default();
            session.dispatch.break_off();
        }
    });
}

/// Why a dispatcher stopped serving a connection.
enum End {
    /// Nothing is on its way and nothing waits.
    Idle,
    /// The connection is gone, or the process stops.
    Gone,
    /// The link or the database cannot go on for now, though the session is connected.
    Paused,
}

struct Dispatcher<'a> {
    inner: &'a Arc<Inner>,
    session: &'a Arc<LiveSession>,
    limits: Limits,
    /// Pauses in a row.
    pauses: u32,
    /// Whether the queue may hold rows to claim.
    more: bool,
    /// Whether first contacts wait in their lane.
    first_contacts_wait: bool,
    /// When chats may next be left out of a claim.
    busy_claim_at: Instant,
}

impl<'a> Dispatcher<'a> {
    fn new(inner: &'a Arc<Inner>, session: &'a Arc<LiveSession>) -> Self {
        let limits = Limits { ack_timeout: inner.config.ack_timeout, send_attempts: inner.config.send_attempts.max(1) };
        let busy_claim_at = Instant::now();
        Self { inner, session, limits, pauses: 0, more: true, first_contacts_wait: false, busy_claim_at }
    }

    async fn run(mut self) {
        loop {
            self.session.dispatch.take();
            self.more = true;
            let connection = self.session.connection().filter(|_| !self.inner.stopping.is_cancelled());
            match connection {
                None => self.stand_down().await,
                Some(connection) => match self.serve(&connection).await {
                    End::Idle => {}
                    // The next connection may be there already, and its wake-up spent.
                    End::Gone => {
                        self.stand_down().await;
                        continue;
                    }
                    End::Paused => {
                        self.stand_down().await;
                        self.pause(&connection).await;
                        continue;
                    }
                },
            }
            if self.session.dispatch.rest() {
                return;
            }
        }
    }

    /// Carries messages over one connection, until there are none or the connection ends.
    async fn serve(&mut self, connection: &Connection) -> End {
        if !self.prepare().await {
            return End::Paused;
        }
        let loaded = self.session.outbox().loaded_for() == Some(connection.number);
        if !loaded && !self.load(connection).await {
            return End::Paused;
        }
        let mut sends = FuturesUnordered::new();
        let mut claim: Fuse<Claim> = Fuse::terminated();
        let end = loop {
            if !self.session.is_on(connection) || self.inner.stopping.is_cancelled() {
                break End::Gone;
            }
            if !(self.prepare().await && self.do_chores().await) {
                break End::Paused;
            }
            self.more |= self.session.dispatch.take();
            let exhausted = self.session.outbox().overdue(Instant::now(), self.limits);
            self.fail_unanswered(exhausted).await;
            // Before anything is handed over: nothing leaves after its time.
            let expired = self.session.outbox().expired(self.inner.env.now());
            self.fail_expired(expired).await;
            self.take_back().await;
            self.session.outbox().back_on(Instant::now());
            let (inner, session) = (self.inner, self.session);
            let held_up = self.hand_out(&mut sends, |item, lane| hand_over(inner, session, connection, item, lane));
            let (mut deadline, empty) = {
                let mut outbox = self.session.outbox();
                self.more |= outbox.take_freed();
                let expiry = outbox.first_expiry().map(|at| Instant::now() + at.since(self.inner.env.now()).min(FAR));
                (outbox.next_deadline().into_iter().chain(expiry).chain(held_up).min(), outbox.is_empty())
            };
            if claim.is_terminated() {
                let (next, later) = self.claim();
                if let Some(next) = next {
                    claim = next.fuse();
                }
                deadline = deadline.into_iter().chain(later).min();
            }
            let queue_is_empty = !self.more && !self.first_contacts_wait;
            if empty && sends.is_empty() && claim.is_terminated() && queue_is_empty {
                break End::Idle;
            }
            tokio::select! {
                Some(outcome) = sends.next(), if !sends.is_empty() => {
                    let mut outcome = Some(outcome);
                    let mut parked = false;
                    while let Some(done) = outcome {
                        parked |= self.conclude(done);
                        outcome = sends.next().now_or_never().flatten();
                    }
                    if parked {
                        break End::Paused;
                    }
                }
                claimed = &mut claim => if !self.take_in(claimed) {
                    break End::Paused;
                },
                () = self.session.dispatch.changed() => {}
                () = sleep_until(deadline.unwrap_or_else(far_off)), if deadline.is_some() => {}
                () = self.inner.stopping.cancelled() => {}
            }
        };
        // Neither may be dropped half-way: a claimed row would be forgotten, a send call cut off.
        while let Some(outcome) = sends.next().await {
            self.conclude(outcome);
        }
        if !claim.is_terminated() {
            let claimed = claim.await;
            self.take_in(claimed);
        }
        end
    }

    /// Takes in what was `sending` when the last connection or process ended. `false` where the database failed.
    async fn load(&mut self, connection: &Connection) -> bool {
        // What the network said before must be on disk first, or answered messages would go out again.
        self.inner.recorder.flush().await;
        let is_paced = self.session.pace().paced().is_some();
        let (store, session) = (&self.inner.store, self.session);
        let rows = if is_paced {
            store.sending_paced_system(session.tenant_id, session.id).await
        } else {
            store.sending_system(session.id).await
        };
        match rows {
            Ok(rows) => {
                let exhausted = self.session.outbox().add_again(connection.number, rows);
                self.fail_unanswered(exhausted).await;
                true
            }
            Err(error) => {
                self.log_database(&error);
                false
            }
        }
    }

    /// Starts a claim, where there is room and may be something to claim; else says when to look again.
    fn claim(&mut self) -> (Option<Claim>, Option<Instant>) {
        if !self.more && !self.first_contacts_wait {
            return (None, None);
        }
        let (room, busy) = {
            let outbox = self.session.outbox();
            (outbox.room(), outbox.busy())
        };
        if room == 0 {
            return (None, None);
        }
        let allowance = match self.allowance() {
            Allowance::Later(at) => return (None, at),
            allowance => allowance,
        };
        let now = Instant::now();
        if !busy.is_empty() {
            if self.busy_claim_at > now {
                return (None, Some(self.busy_claim_at));
            }
            self.busy_claim_at = now + BUSY_CLAIM_PAUSE;
        }
        self.more = false;
        self.first_contacts_wait = false;
        let limit = u32::try_from(room).expect("the room is small");
        if let Allowance::Messages { known, first, stamp } = allowance {
            return (Some(self.claim_paced(limit.min(known), first, busy, stamp)), None);
        }
        let (store, session, at) = (self.inner.store.clone(), self.session.id, self.inner.env.now());
        let claim = async move {
            let claimed = store.claim_queued_system(session, &busy, limit, at).await?;
            Ok(Claimed { messages: claimed.messages, more: claimed.more, first_contacts_wait: false, counted: None })
        };
        (Some(Box::pin(claim)), None)
    }

    /// Takes in what a claim brought. `false` where the database failed.
    fn take_in(&mut self, claimed: Result<Claimed, StoreError>) -> bool {
        match claimed {
            Ok(claimed) => {
                self.more |= claimed.more;
                self.first_contacts_wait = claimed.first_contacts_wait;
                self.session.outbox().add(claimed.messages, claimed.counted);
                true
            }
            Err(error) => {
                self.log_database(&error);
                false
            }
        }
    }

    /// Puts a message where its send call leaves it. `true` where the link cannot take messages now.
    fn conclude(&mut self, (lane, outcome): Sent) -> bool {
        if let (Some(lane), Some(paced)) = (lane, self.session.pace().paced()) {
            paced.done(lane, &self.inner.env);
        }
        let mut outbox = self.session.outbox();
        match outcome {
            Outcome::Sent(item) => {
                self.pauses = 0;
                outbox.sent(item, Instant::now(), self.limits);
            }
            Outcome::Again(item, at) => outbox.again(item, Some(at)),
            Outcome::Parked(item) => {
                outbox.again(item, None);
                return true;
            }
            Outcome::Closed(item) => outbox.close(&item),
        }
        false
    }

    /// Empties the outbox: what never left goes back to the queue, in one commit.
    async fn stand_down(&mut self) {
        if self.inner.stopping.is_cancelled() {
            let session = self.session;
            let answered = async {
                while session.outbox().waits_for_acks() && session.connection().is_some() {
                    session.dispatch.changed().await;
                }
            };
            // What stays unanswered goes out again after the start, under the same id.
            let _ = timeout(LAST_ACKS, answered).await;
        }
        let never_sent = self.session.outbox().stand_down();
        let at = self.inner.env.now();
        let back = never_sent.into_iter().map(|item| Evidence {
            session_id: self.session.id,
            message: MessageRef::Id(item.message.id),
            change: StatusChange::To(MessageStatus::Queued),
            at,
        });
        self.inner.recorder.commit(self.session, back.collect()).await;
        // What fails here is done on the next connection.
        self.do_chores().await;
    }

    /// Waits a while on a connection that takes nothing, or for the next connection.
    async fn pause(&mut self, connection: &Connection) {
        let pause = PAUSE.0.saturating_mul(1 << self.pauses.min(10)).min(PAUSE.1);
        self.pauses = self.pauses.saturating_add(1);
        let session = self.session;
        let over = async {
            while session.is_on(connection) && !self.inner.stopping.is_cancelled() {
                session.dispatch.changed().await;
            }
        };
        tokio::select! {
            () = over => {}
            () = sleep(pause) => {}
            () = self.inner.stopping.cancelled() => {}
        }
    }

    async fn fail_unanswered(&self, items: Vec<Item>) {
        let at = self.inner.env.now();
        let evidence = items.into_iter().map(|item| {
            let reason = format!("no acknowledgement; sent {} times", item.tries.sends);
            Evidence {
                session_id: self.session.id,
                message: MessageRef::Id(item.message.id),
                change: StatusChange::Failed(Failure { code: FailureCode::NoAck, reason: Some(reason) }),
                at,
            }
        });
        self.inner.recorder.commit(self.session, evidence.collect()).await;
    }

    /// Fails what expired while it waited to be handed over, for the first time or again.
    async fn fail_expired(&self, items: Vec<Item>) {
        let at = self.inner.env.now();
        let evidence = items.into_iter().map(|item| {
            let failure = if item.tries.sends == 0 {
                Failure::new(FailureCode::Expired)
            } else {
                let reason = format!("no acknowledgement before it expired; sent {} times", item.tries.sends);
                Failure { code: FailureCode::NoAck, reason: Some(reason) }
            };
            Evidence {
                session_id: self.session.id,
                message: MessageRef::Id(item.message.id),
                change: StatusChange::Failed(failure),
                at,
            }
        });
        self.inner.recorder.commit(self.session, evidence.collect()).await;
    }

    fn log_database(&self, error: &StoreError) {
        tracing::error!(
            tenant.id = %self.session.tenant_id, session.id = %self.session.id, %error,
            "messages wait because the database failed; trying again",
        );
    }
}

const FAR: Duration = Duration::from_hours(1);

fn far_off() -> Instant {
    Instant::now() + FAR
}

/// How long after its expiry a message may still wait for an acknowledgement: it may be in a send call that began
/// before, and is then awaited once more.
pub(crate) fn longest_unconfirmed(config: &GatewayConfig) -> Duration {
    SEND_TIME + config.ack_timeout + PAUSE.1
}
