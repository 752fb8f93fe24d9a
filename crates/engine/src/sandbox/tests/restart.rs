//! The process dies and another one goes on.

use super::*;
use crate::sandbox::{
    Mailbox, Owed,
    network::MAX_REMEMBERED,
    timer::{MAX_UNRECORDED, STEPS_AT_ONCE},
};

const FRIEND: &str = "919876543210";
const ECHO: &str = "15550101009";
const FIRST_ACK_LOST: &str = "15550101002";
const NEVER_DELIVERED: &str = "15550101003";

/// Acknowledged at once, and nothing else happens while the test runs.
fn silence() -> SandboxDelays {
    let long = Duration::from_hours(1);
    SandboxDelays { delivered: long, read: long, reply: long, ..SandboxDelays::NONE }
}

impl Bench {
    async fn connected_with(delays: SandboxDelays) -> Self {
        let bench = Self::new(delays).await;
        bench.link.connect().await.unwrap();
        bench
    }

    /// The process dies. Another one begins on the same disk, and the session connects.
    async fn restart(&self, delays: SandboxDelays) -> Self {
        self.disk.stop();
        let bench = self.again(delays).await;
        bench.link.connect().await.unwrap();
        bench
    }

    async fn again(&self, delays: SandboxDelays) -> Self {
        let disk = Arc::new(self.disk.of_the_next_process());
        let spec = SessionSpec { linked: true, ..self.spec.clone() };
        Self::of(delays, disk, self.env.clone(), spec).await
    }

    async fn owed(&self) -> Vec<Owed> {
        self.disk.load().await.unwrap()
    }

    async fn until_nothing_is_owed(&self) {
        let waiting = async {
            while !self.owed().await.is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("something is owed for ever");
    }
}

#[tokio::test]
async fn what_was_owed_when_the_process_died_happens_when_the_session_is_back() {
    let bench = Bench::connected_with(silence()).await;
    let message = bench.send(FRIEND, "reply: still here").await.unwrap();
    bench.told.until("the acknowledgement", |told| !told.story(&message.wa_id).is_empty()).await;

    let bench = bench.restart(SandboxDelays::NONE).await;
    bench.told.until("the answer", |told| !told.texts().is_empty()).await;
    assert_eq!(bench.told.story(&message.wa_id), ["acked", "delivered", "read"]);
    assert_eq!(bench.told.texts(), ["still here"]);
    bench.until_nothing_is_owed().await;
}

#[tokio::test]
async fn delays_go_on_over_a_restart() {
    let bench = Bench::connected_with(silence()).await;
    let message = bench.send(FRIEND, "hello").await.unwrap();
    bench.told.until("the acknowledgement", |told| !told.story(&message.wa_id).is_empty()).await;
    let bench = bench.restart(SandboxDelays { delivered: Duration::ZERO, ..silence() }).await;
    bench.told.until("the first receipt", |told| told.story(&message.wa_id).contains(&"delivered")).await;
    bench.let_a_step_happen().await;
    assert_eq!(bench.told.story(&message.wa_id), ["acked", "delivered"]);
}

#[tokio::test]
async fn a_message_is_acknowledged_when_what_is_owed_for_it_is_on_disk() {
    let bench = Bench::connected().await;
    bench.disk.writes.send_replace(false);
    let message = bench.send(FRIEND, "hello").await.unwrap();
    bench.let_a_step_happen().await;
    assert!(bench.told.story(&message.wa_id).is_empty());
    bench.disk.writes.send_replace(true);
    bench.told.until("the message is read", |told| told.story(&message.wa_id).len() == 3).await;
}

#[tokio::test]
async fn a_mailbox_that_fails_is_asked_again() {
    let bench = Bench::connected().await;
    bench.disk.failures.store(1, Ordering::SeqCst);
    let message = bench.send(FRIEND, "hello").await.unwrap();
    bench.told.until("the message is read", |told| told.story(&message.wa_id).len() == 3).await;
    bench.until_nothing_is_owed().await;
}

#[tokio::test]
async fn a_receipt_is_owed_until_it_is_on_disk() {
    let bench = Bench::connected().await;
    bench.told.records.send_replace(false);
    let message = bench.send(FRIEND, "hello").await.unwrap();
    bench.told.until("the message is read", |told| told.story(&message.wa_id).len() == 3).await;
    bench.let_a_step_happen().await;
    assert_eq!(bench.owed().await.len(), 1);

    let bench = bench.restart(SandboxDelays::NONE).await;
    bench.told.until("all of it again", |told| told.story(&message.wa_id) == ["acked", "delivered", "read"]).await;
    bench.until_nothing_is_owed().await;
}

#[tokio::test]
async fn an_answer_that_comes_again_has_the_same_id() {
    let bench = Bench::connected().await;
    // The answer is stored and stays owed: the process dies in between.
    bench.told.records.send_replace(false);
    bench.send(ECHO, "once").await.unwrap();
    bench.told.until("the answer", |told| !told.texts().is_empty()).await;
    let first = unpoisoned(&bench.told.texts)[0].wa_id.clone();

    let bench = bench.restart(SandboxDelays::NONE).await;
    bench.told.until("the answer again", |told| !told.texts().is_empty()).await;
    assert_eq!(unpoisoned(&bench.told.texts)[0].wa_id, first);
}

#[tokio::test]
async fn a_repeat_after_a_restart_is_answered_once() {
    let bench = Bench::connected_with(silence()).await;
    let message = bench.send(ECHO, "once").await.unwrap();
    bench.told.until("the acknowledgement", |told| !told.story(&message.wa_id).is_empty()).await;

    let bench = bench.restart(SandboxDelays::NONE).await;
    bench.link.send(bench.told.connection(), &message).await.unwrap();
    bench.told.until("the repeat is read", |told| told.story(&message.wa_id).len() == 6).await;
    bench.send(ECHO, "another").await.unwrap();
    bench.told.until("the other answer", |told| told.texts().contains(&"another".to_owned())).await;
    assert_eq!(bench.told.texts(), ["once", "another"]);
    bench.until_nothing_is_owed().await;
}

#[tokio::test]
async fn a_second_repeat_after_a_restart_takes_nothing_back_of_what_is_owed() {
    let bench = Bench::connected_with(silence()).await;
    let message = bench.send(FIRST_ACK_LOST, "hello").await.unwrap();
    bench.link.send(bench.told.connection(), &message).await.unwrap();
    bench.told.until("the acknowledgement", |told| !told.story(&message.wa_id).is_empty()).await;

    // The gateway died before it had the acknowledgement on disk: it sends once more.
    let bench = bench.restart(silence()).await;
    bench.link.send(bench.told.connection(), &message).await.unwrap();
    bench.told.until("the acknowledgement", |told| !told.story(&message.wa_id).is_empty()).await;

    let bench = bench.restart(SandboxDelays::NONE).await;
    bench.told.until("it is read", |told| told.story(&message.wa_id).contains(&"read")).await;
    bench.until_nothing_is_owed().await;
}

#[tokio::test]
async fn a_repeat_after_a_restart_is_acknowledged_where_the_first_acknowledgement_was_lost() {
    let bench = Bench::connected().await;
    let message = bench.send(FIRST_ACK_LOST, "hello").await.unwrap();
    bench.let_everything_happen().await;
    assert_eq!(bench.owed().await.len(), 1, "its id is kept");

    let bench = bench.restart(SandboxDelays::NONE).await;
    bench.let_everything_happen().await;
    assert!(bench.told.story(&message.wa_id).is_empty());
    bench.link.send(bench.told.connection(), &message).await.unwrap();
    bench.told.until("the repeat is read", |told| told.story(&message.wa_id).len() == 3).await;
    bench.until_nothing_is_owed().await;
}

#[tokio::test]
async fn the_ids_that_are_kept_alone_are_bounded_on_disk_too() {
    let bench = Bench::connected().await;
    for _ in 0..MAX_REMEMBERED + 2 {
        bench.send(FIRST_ACK_LOST, "hello").await.unwrap();
    }
    bench.let_everything_happen().await;
    let waiting = async {
        while bench.owed().await.len() > MAX_REMEMBERED {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("the mailbox grows");
    assert_eq!(bench.owed().await.len(), MAX_REMEMBERED);
}

#[tokio::test]
async fn nothing_is_owed_to_a_session_that_was_forgotten() {
    let bench = Bench::connected_with(silence()).await;
    let message = bench.send(FRIEND, "reply: anybody?").await.unwrap();
    bench.told.until("the acknowledgement", |told| !told.story(&message.wa_id).is_empty()).await;
    // One that waits to be put in goes as well.
    bench.disk.writes.send_replace(false);
    bench.send(FRIEND, "reply: hello?").await.unwrap();
    bench.link.logout().await;
    let forgetting = bench.engine.forget(bench.spec.id);
    let (forgotten, _) = tokio::join!(forgetting, async { bench.disk.writes.send_replace(true) });
    forgotten.unwrap();
    assert_eq!(bench.owed().await, []);
}

#[tokio::test]
async fn no_more_is_told_than_is_written_down() {
    let count = MAX_UNRECORDED + 2 * STEPS_AT_ONCE;
    let bench = Bench::connected_with(silence()).await;
    for _ in 0..count {
        bench.send(FRIEND, "hello").await.unwrap();
    }
    bench.told.until("all acknowledgements", |told| told.count() >= count + 3).await;
    bench.disk.stop();

    let bench = bench.again(SandboxDelays::NONE).await;
    bench.told.records.send_replace(false);
    bench.link.connect().await.unwrap();
    bench.told.until("as much as may wait", |told| told.receipts() >= MAX_UNRECORDED).await;
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    let (receipts, all) = (bench.told.receipts(), bench.told.count());
    assert!(receipts <= MAX_UNRECORDED + STEPS_AT_ONCE, "{receipts}");
    assert!(all <= 2 * receipts + STEPS_AT_ONCE, "{all}, {receipts} of them receipts");
    bench.told.records.send_replace(true);
    bench.told.until("all receipts", |told| told.receipts() == 2 * count).await;
    bench.until_nothing_is_owed().await;
}

impl Bench {
    /// Waits until a message was acknowledged that nothing is owed for: other steps that were due have happened.
    async fn let_a_step_happen(&self) {
        let last = self.send(NEVER_DELIVERED, "the last one").await.unwrap();
        self.told.until("the last one is acknowledged", |told| !told.story(&last.wa_id).is_empty()).await;
    }
}
