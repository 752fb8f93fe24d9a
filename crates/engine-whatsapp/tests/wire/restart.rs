//! The simulator itself goes away and comes back: what the tests of crashes rely on.

use wa_sim::Shown;

use crate::bench::{Bench, jid, text, until};
use waypost_domain::SessionEvent;

const ALICE: &str = "4915100000001";
const BOB: &str = "4915100000002";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_the_simulator_loses_nothing_and_shows_nothing_twice() {
    let bench = Bench::new().await;
    let (alice, bob) = (bench.linked(ALICE).await, bench.linked(BOB).await);
    let before = text(&bench.env, &bob.jid, "before");
    bench.send(&alice, &before).await.unwrap();
    bench.sink.acked(alice.id, &before.wa_id).await;
    bench.sink.received(bob.id, &before.wa_id).await;
    let answer = bob.account.send_text(ALICE, "from the phone").await.unwrap();
    bench.sink.received(alice.id, &answer.into()).await;
    bob.link.disconnect().await;
    until("the socket is closed", || !bob.account.is_connected(bob.device)).await;
    let queued = text(&bench.env, &bob.jid, "while you were away");
    bench.send(&alice, &queued).await.unwrap();
    bench.sink.acked(alice.id, &queued.wa_id).await;

    bench.sink.forget();
    let bench = bench.restart_simulator().await;
    bench.sink.connected(alice.id, 1).await;
    bob.link.connect().await.unwrap();
    bench.sink.received(bob.id, &queued.wa_id).await;
    let after = text(&bench.env, &bob.jid, "after");
    bench.send(&alice, &after).await.unwrap();
    bench.sink.acked(alice.id, &after.wa_id).await;
    bench.sink.received(bob.id, &after.wa_id).await;
    let phone = bench.sim.find_account(BOB).unwrap();
    let answer = phone.send_text(ALICE, "from the phone again").await.unwrap();
    bench.sink.received(alice.id, &answer.into()).await;
    until("the phone has it", || phone.totals().received == 3).await;

    let shown: Vec<Shown> = phone.chats().into_iter().find(|chat| chat.chat == ALICE).unwrap().messages;
    let texts: Vec<_> = shown.iter().filter(|message| !message.from_me).map(|message| message.text.clone()).collect();
    assert_eq!(texts, ["before", "while you were away", "after"].map(|text| Some(text.to_owned())));
    assert!(shown.iter().all(|message| message.times == 1 && message.failed == 0), "{shown:#?}");
    let heard = bench.sink.heard();
    assert_eq!(heard.inbound_of(bob.id).filter(|message| message.sender == jid(ALICE) || !message.from_me).count(), 2);
    assert!(!heard.events.iter().any(|(_, event)| matches!(event, SessionEvent::Qr { .. } | SessionEvent::Ended(_))));
}
