//! A phone that cannot read a message asks for it again, and gets it for as long as it may ask.

use std::time::Duration;

use rstest::rstest;
use wa_sim::{Fault, FaultRule, ReceiptForm};
use waypost_domain::{
    Clock, Env, Timestamp,
    env::{SystemClock, SystemEntropy},
};
use waypost_engine_whatsapp::Timings;

use crate::bench::{Bench, jid, text, until};

const ALICE: &str = "4915100000001";
const BOB: &str = "4915100000002";

/// A minute short of two hours ago.
struct Earlier;

impl Clock for Earlier {
    fn now(&self) -> Timestamp {
        let millis = SystemClock.now().as_millis() - i64::try_from(Duration::from_mins(119).as_millis()).unwrap();
        Timestamp::from_millis(millis)
    }
}

#[rstest]
#[case::by_number(ReceiptForm::Pn)]
#[case::by_lid(ReceiptForm::Lid)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_two_hours_and_a_restart_later_is_answered_with_the_same_text_under_the_same_id(
    #[case] form: ReceiptForm,
) {
    let mut bench = Bench::in_time(Timings::default(), Env::new(Earlier, SystemEntropy)).await;
    let alice = bench.linked(ALICE).await;
    let bob = bench.sim.account(BOB);
    // The damaged copy makes it a retry on the wire before the restart, too.
    bench.sim.faults().add(FaultRule::new(Fault::Corrupt { device: None }).to(BOB).times(1));
    let message = text(&bench.env, &jid(BOB), "once more");
    bench.send(&alice, &message).await.unwrap();
    until("the phone can read it", || bob.totals().received == 1).await;
    let before = bob.chats()[0].messages[0].resends;
    drop(alice.link);
    until("the socket is closed", || !alice.account.is_connected(alice.device)).await;
    bench.env = Env::system();
    bench.restart().await;
    bench.sink.forget();
    let link = bench.open(alice.id, ALICE).await;
    link.connect().await.unwrap();
    bench.sink.connected(alice.id, 1).await;

    assert!(bob.ask_again(ALICE, &message.wa_id.to_string(), Some(form), 2).await);
    until("it comes again", || bob.chats()[0].messages[0].resends > before).await;
    let shown = bob.chats()[0].messages[0].clone();
    assert_eq!(shown.id, message.wa_id.to_string());
    assert_eq!(shown.resent_text.as_deref(), Some("once more"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_that_asked_too_often_is_not_answered() {
    let bench = Bench::new().await;
    let alice = bench.linked(ALICE).await;
    let bob = bench.sim.account(BOB);
    let message = text(&bench.env, &jid(BOB), "the same");
    bench.send(&alice, &message).await.unwrap();
    until("the phone shows it", || bob.totals().received == 1).await;
    for count in [5, 6] {
        assert!(bob.ask_again(ALICE, &message.wa_id.to_string(), Some(ReceiptForm::Pn), count).await);
    }
    // Receipts are read in order: when the answer to this one is here, the others had their chance.
    assert!(bob.ask_again(ALICE, &message.wa_id.to_string(), Some(ReceiptForm::Pn), 4).await);
    until("the permitted one is answered", || bob.chats()[0].messages[0].resends > 0).await;
    assert_eq!(bob.chats()[0].messages[0].resends, 1);
}
