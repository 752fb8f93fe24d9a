//! Record: what the network says becomes rows.
//!
//! Acknowledgements, refusals and receipts of all sessions go through one bounded queue to one recorder, which takes
//! whatever waits and writes it in one commit. Which status they give is the domain's to say
//! ([`waypost_domain::Progress::advance`]), so they may come early, late, doubled and in any order. Evidence for
//! messages that are not ours, such as those written on the phone itself, changes nothing.
//!
//! A receipt is forgotten by the network as soon as it is confirmed, so the engine confirms it only when it is on disk:
//! each session's [`Ledger`] says how far that is.
//!
//! Engines may not be held up on their receive path, so [`Recorder::post`] never waits. Past [`QUEUE`] waiting pieces
//! of evidence it drops them, counts them and says so: a dropped acknowledgement is mended by sending again under
//! the same id, a dropped receipt leaves a lower status.

mod evidence;
mod inbound;
mod ledger;
mod sink;
mod states;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

pub(crate) use ledger::Ledger;
use prometheus_client::metrics::counter::Counter;
pub(crate) use sink::Sink;
use tokio::{
    sync::{mpsc, oneshot},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use waypost_domain::StatusChange;
use waypost_store::{Evidence, EvidenceOutcome, MessageRef, Store, StoreError};

use crate::live::LiveSession;

/// The most entries that wait to be written: some seconds' worth at full speed, about 4 MiB.
const QUEUE: usize = 16_384;
/// The most entries in one commit.
const BATCH: usize = 1024;
/// How long to wait after the database failed.
const RETRY: Duration = Duration::from_millis(500);

/// Evidence on its way to the database.
struct Entry {
    session: Arc<LiveSession>,
    evidence: Vec<Evidence>,
    /// Whether the network waits for our word before it forgets this: a receipt. It is counted in the session's ledger.
    receipt: bool,
    done: Option<oneshot::Sender<()>>,
}

enum Record {
    Entry(Entry),
    /// Answered when everything before it is written.
    Flush(oneshot::Sender<()>),
}

/// The way to the recorder.
pub(crate) struct Recorder {
    queue: mpsc::Sender<Record>,
    waiting: Mutex<Option<mpsc::Receiver<Record>>>,
    dropped: Counter,
}

impl Default for Recorder {
    fn default() -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        Self { queue, waiting: Mutex::new(Some(waiting)), dropped: Counter::default() }
    }
}

impl Recorder {
    /// Takes evidence from an engine. Never waits; `false` where the queue is full and the evidence is lost.
    pub(crate) fn post(&self, session: &Arc<LiveSession>, evidence: Vec<Evidence>, receipt: bool) -> bool {
        let count = evidence.len() as u64;
        let entry = Entry { session: session.clone(), evidence, receipt, done: None };
        if receipt {
            session.receipts.post();
        }
        if self.queue.try_send(Record::Entry(entry)).is_ok() {
            return true;
        }
        if receipt {
            session.receipts.settle();
        }
        let before = self.dropped.inc_by(count);
        let dropped = before + count;
        // Said at the first loss and at every doubling, so that a flood of losses is not a flood of lines.
        if before.checked_ilog2() != dropped.checked_ilog2() {
            tracing::error!(
                tenant.id = %session.tenant_id, session.id = %session.id, dropped,
                "acknowledgements and receipts are dropped: the database does not keep up",
            );
        }
        false
    }

    /// Writes evidence of our own, waiting for room, and returns when it is committed. When the process stops before
    /// that, the rows stay as they are, and the next start goes on from them.
    pub(crate) async fn commit(&self, session: &Arc<LiveSession>, evidence: Vec<Evidence>) {
        if evidence.is_empty() {
            return;
        }
        let (done, committed) = oneshot::channel();
        let entry = Entry { session: session.clone(), evidence, receipt: false, done: Some(done) };
        if self.queue.send(Record::Entry(entry)).await.is_ok() {
            let _ = committed.await;
        }
    }

    /// Returns when all that was posted before is written.
    pub(crate) async fn flush(&self) {
        let (done, written) = oneshot::channel();
        if self.queue.send(Record::Flush(done)).await.is_ok() {
            let _ = written.await;
        }
    }

    /// Counts what was dropped since the start because the database did not keep up.
    pub(crate) const fn dropped_counter(&self) -> &Counter {
        &self.dropped
    }

    /// How many entries wait to be written.
    pub(crate) fn waiting(&self) -> usize {
        QUEUE - self.queue.capacity()
    }

    /// The recorder's loop. Ends when `closing` is cancelled and all that waits is written. Runs once.
    pub(crate) async fn run(&self, store: Store, closing: CancellationToken) {
        let Some(mut queue) = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let taken = tokio::select! {
                biased;
                taken = queue.recv_many(&mut batch, BATCH) => taken,
                () = closing.cancelled(), if !queue.is_closed() => {
                    queue.close();
                    continue;
                }
            };
            if taken == 0 {
                return;
            }
            write(&store, &mut batch, &closing).await;
        }
    }
}

/// Writes a batch in one commit and tells whoever waits for it. A database that cannot be reached is tried again until
/// the process stops.
async fn write(store: &Store, batch: &mut Vec<Record>, closing: &CancellationToken) {
    let evidence: Vec<Evidence> = batch
        .iter()
        .filter_map(|record| match record {
            Record::Entry(entry) => Some(entry.evidence.iter().cloned()),
            Record::Flush(_) => None,
        })
        .flatten()
        .collect();
    if !evidence.is_empty() {
        loop {
            match store.record_evidence_system(evidence.clone()).await {
                Ok(outcomes) => {
                    log_failures(batch, &outcomes);
                    break;
                }
                Err(error @ StoreError::Unavailable(_)) if !closing.is_cancelled() => {
                    tracing::error!(%error, "the record waits because the database failed; trying again");
                    sleep(RETRY).await;
                }
                Err(error) => {
                    tracing::warn!(%error, "a batch was not written; writing its entries one by one");
                    write_singly(store, batch).await;
                    break;
                }
            }
        }
    }
    for record in batch.drain(..) {
        if let Record::Entry(Entry { receipt: true, session, .. }) = &record {
            session.receipts.settle();
        }
        if let Record::Flush(done) | Record::Entry(Entry { done: Some(done), .. }) = record {
            // Whoever waited may have gone.
            let _ = done.send(());
        }
    }
}

/// Writes a batch entry by entry, so that one that the database refuses takes no other with it.
async fn write_singly(store: &Store, batch: &[Record]) {
    for record in batch {
        let Record::Entry(entry) = record else { continue };
        if let Err(error) = store.record_evidence_system(entry.evidence.clone()).await {
            tracing::error!(
                tenant.id = %entry.session.tenant_id, session.id = %entry.session.id, %error,
                "evidence of what happened to a message was not written",
            );
        }
    }
}

/// The one line about each message that failed.
fn log_failures(batch: &[Record], outcomes: &[EvidenceOutcome]) {
    let evidence = batch.iter().filter_map(|record| match record {
        Record::Entry(entry) => Some(entry.evidence.iter().map(|evidence| (&entry.session, evidence))),
        Record::Flush(_) => None,
    });
    for ((session, evidence), outcome) in evidence.flatten().zip(outcomes) {
        let (StatusChange::Failed(failure), EvidenceOutcome::Advanced(_)) = (&evidence.change, outcome) else {
            continue;
        };
        let (id, wa_id) = match &evidence.message {
            MessageRef::Id(id) => (Some(id.to_string()), None),
            MessageRef::Wire(wa_id) => (None, Some(wa_id.as_str())),
        };
        tracing::info!(
            tenant.id = %session.tenant_id, session.id = %session.id, message.id = id, message.wa_id = wa_id,
            code = failure.code.as_str(), reason = failure.reason, "a message failed",
        );
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use waypost_domain::{Env, MessageStatus};

    use super::*;
    use crate::live::a_session;

    #[test]
    fn an_engine_is_never_held_up_and_what_is_too_much_is_counted() {
        let env = Env::system();
        let session = a_session(&env);
        let recorder = Recorder::default();
        let acked = || {
            vec![Evidence {
                session_id: session.id,
                message: MessageRef::Wire(env.new_wa_message_id()),
                change: StatusChange::To(MessageStatus::Sent),
                at: env.now(),
            }]
        };
        for _ in 0..QUEUE {
            assert!(recorder.post(&session, acked(), false));
        }
        assert_eq!(recorder.dropped.get(), 0);
        for _ in 0..3 {
            assert!(!recorder.post(&session, acked(), true));
        }
        assert_eq!(recorder.dropped.get(), 3);
        // What is lost for want of room holds up nobody.
        session.receipts.reached(session.receipts.mark()).now_or_never().expect("nothing waits to be written");
    }
}
