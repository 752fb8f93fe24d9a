//! The simulator's harder worlds, with the real client on the other end: both namespaces, damaged copies, retries.

use rstest::rstest;
use wa_sim::{Fault, FaultRule, ReceiptForm};
use waypost_domain::{Content, WaMessageId};

use crate::bench::{Bench, jid, text, until};

const ALICE: &str = "4915100000001";
const BOB: &str = "4915100000002";

#[rstest]
#[case::migrated(true)]
#[case::not_migrated(false)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sends_are_taken_whether_or_not_the_account_is_migrated(#[case] migrated: bool) {
    let bench = Bench::new().await;
    bench.sim.account(ALICE).set_lid_migrated(Some(migrated));
    let bob = bench.sim.account(BOB);
    let alice = bench.linked(ALICE).await;
    let first = text(&bench.env, &jid(BOB), "by number");
    bench.send(&alice, &first).await.unwrap();
    bench.sink.acked(alice.id, &first.wa_id).await;
    until("the phone shows it", || bob.totals().received == 1).await;

    // Somebody who is known by LID alone gets an answer.
    bob.set_hide_pn(true);
    let id = WaMessageId::from(bob.send_text(ALICE, "who am I?").await.unwrap());
    let received = bench.sink.received(alice.id, &id).await;
    let answer = text(&bench.env, &received.chat, "by what I was told");
    bench.send(&alice, &answer).await.unwrap();
    bench.sink.acked(alice.id, &answer.wa_id).await;
    until("the phone shows the answer", || bob.totals().received == 2).await;
    assert_eq!(bob.totals().undecryptable, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_copy_is_asked_for_again_by_either_side() {
    let bench = Bench::new().await;
    let alice = bench.linked(ALICE).await;
    let bob = bench.sim.account(BOB);
    bench.sim.faults().add(FaultRule::new(Fault::Corrupt { device: None }).to(BOB).times(1));
    let message = text(&bench.env, &jid(BOB), "once more");
    bench.send(&alice, &message).await.unwrap();
    until("the phone can read it", || bob.totals().received == 1).await;
    let shown = bob.chats()[0].messages[0].clone();
    assert_eq!(shown.id, message.wa_id.to_string());
    assert_eq!((shown.times, shown.failed, shown.resends), (1, 1, 1));
    assert_eq!(shown.text.as_deref(), Some("once more"));

    bench.sim.faults().add(FaultRule::new(Fault::Corrupt { device: None }).to(ALICE).times(1));
    let id = WaMessageId::from(bob.send_text(ALICE, "and back").await.unwrap());
    let received = bench.sink.received(alice.id, &id).await;
    assert_eq!(received.content, Content::Text { text: "and back".to_owned() });
    assert!(bench.sim.faults().list().is_empty(), "both copies were damaged");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_that_asks_again_gets_the_same_message_under_the_same_id() {
    let bench = Bench::new().await;
    let alice = bench.linked(ALICE).await;
    let bob = bench.sim.account(BOB);
    let message = text(&bench.env, &jid(BOB), "the same");
    bench.send(&alice, &message).await.unwrap();
    until("the phone shows it", || bob.totals().received == 1).await;
    for (count, form) in (1..).zip([ReceiptForm::Pn, ReceiptForm::Lid]) {
        assert!(bob.ask_again(ALICE, &message.wa_id.to_string(), Some(form), count).await);
        until("it comes again", || bob.chats()[0].messages[0].resends == count).await;
    }
    let shown = bob.chats()[0].messages[0].clone();
    assert_eq!((shown.times, shown.failed, shown.retries), (3, 0, 2));
    assert_eq!((shown.text.as_deref(), shown.resent_text.as_deref()), (Some("the same"), Some("the same")));
    assert_eq!(bob.totals().reused_counters, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_is_added_while_messages_flow_reads_along_and_one_that_is_removed_does_not() {
    let bench = Bench::new().await;
    let alice = bench.linked(ALICE).await;
    let bob = bench.sim.account(BOB);
    let send = async |content: &str| {
        let message = text(&bench.env, &jid(BOB), content);
        bench.send(&alice, &message).await.unwrap();
        bench.sink.acked(alice.id, &message.wa_id).await;
    };
    send("to the phone alone").await;
    let device = bob.add_device().unwrap();
    until("Alice has heard of it", || alice.account.queued(alice.device) == 0).await;
    let mut total = 1;
    // The news and a message may cross; soon every message is for both.
    while bob.totals_of(device).unwrap().received < 2 {
        send("to both").await;
        total += 1;
        until("the phone shows it", || bob.totals().received == total).await;
        assert!(total < 50, "the new device gets nothing");
    }
    until("the device reads all of it", || bob.totals_of(device).unwrap().undecryptable == 0).await;
    assert!(bob.unlink(device));
    send("to the phone again").await;
    until("the phone shows it", || bob.totals().received == total + 1).await;
    assert_eq!((bob.totals().repeated, bob.totals().undecryptable, bob.totals().reused_counters), (0, 0, 0));
}
