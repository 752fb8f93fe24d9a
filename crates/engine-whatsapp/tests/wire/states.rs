//! Every way in which WhatsApp ends or refuses a connection, on the wire: what the link says, whether it makes the
//! connection again, and that credentials go only when a login with them was refused again and again.

use std::time::{Duration, Instant};

use rstest::rstest;
use wa_sim::{ConnectionFault, ConnectionRule, Failure, Fault, FaultRule, Scope, StreamError};
use waypost_engine_whatsapp::Timings;

use crate::bench::{Bench, Session, jid, text};
use waypost_domain::{EndReason, SessionEvent};

const ALICE: &str = "4915100000001";
const BOB: &str = "4915100000002";

/// In more of a hurry than the promises.
fn timings() -> Timings {
    Timings {
        look: Duration::from_millis(100),
        quiet: Duration::from_millis(500),
        answer: Duration::from_secs(1),
        mute: Duration::from_secs(2),
        login: Duration::from_secs(4),
        doubt: Duration::from_millis(50),
        ..Timings::default()
    }
}

async fn alice() -> (Bench, Session) {
    let bench = Bench::with(timings()).await;
    let alice = bench.linked(ALICE).await;
    bench.sink.forget();
    (bench, alice)
}

fn failure(reason: u16) -> ConnectionFault {
    ConnectionFault::Failure(Failure { reason, ..Failure::default() })
}

/// The account's logins from now on are met with a fault, and its connection is cut.
fn strike(bench: &Bench, alice: &Session, fault: ConnectionFault, times: Option<u32>) -> u64 {
    let rule = ConnectionRule { times, ..ConnectionRule::new(fault, Scope::account(ALICE)) };
    let rule = bench.sim.network().add(rule);
    alice.account.cut(alice.device);
    rule
}

async fn end(bench: &Bench, alice: &Session) -> EndReason {
    bench
        .sink
        .until("an end", |heard| {
            heard.of(alice.id).find_map(|event| match event {
                SessionEvent::Ended(reason) => Some(reason.clone()),
                _ => None,
            })
        })
        .await
}

async fn loss(bench: &Bench, alice: &Session, about: &str) {
    bench
        .sink
        .until(about, |heard| {
            heard.of(alice.id).find_map(|event| match event {
                SessionEvent::ConnectionLost { reason } if reason.contains(about) => Some(()),
                _ => None,
            })
        })
        .await;
}

/// How often the account tried to log in since the book was opened.
fn logins(bench: &Bench) -> usize {
    let book = bench.sim.network().logins(Some(ALICE));
    book.accounts.get(ALICE).map_or(0, Vec::len)
}

async fn still_linked(bench: &Bench, alice: &Session) {
    bench.sim.network().clear();
    alice.link.disconnect().await;
    bench.sink.forget();
    alice.link.connect().await.unwrap();
    bench.sink.connected(alice.id, 1).await;
    let heard = bench.sink.heard();
    assert!(!heard.of(alice.id).any(|event| matches!(event, SessionEvent::Qr { .. })), "the credentials are kept");
}

#[rstest]
#[case::unlinked(401)]
#[case::logged_out(406)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_refused_once_is_made_again_and_the_credentials_are_kept(#[case] reason: u16) {
    let (bench, alice) = alice().await;
    strike(&bench, &alice, failure(reason), Some(1));
    loss(&bench, &alice, "unlinked").await;
    bench.sink.connected(alice.id, 1).await;
    let heard = bench.sink.heard();
    assert!(!heard.of(alice.id).any(|event| matches!(event, SessionEvent::Ended(_) | SessionEvent::Qr { .. })));
}

#[rstest]
#[case::unlinked(401)]
#[case::logged_out(406)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_refused_again_and_again_is_a_logout(#[case] reason: u16) {
    let (bench, alice) = alice().await;
    bench.sim.network().reset_logins();
    strike(&bench, &alice, failure(reason), None);
    assert!(matches!(end(&bench, &alice).await, EndReason::LoggedOut { .. }));
    assert_eq!(logins(&bench), 3, "the word, and two logins that make sure of it");
}

#[rstest]
#[case::removed(StreamError::conflict("device_removed"))]
#[case::unauthorized(StreamError::code(401))]
#[case::removed_516(StreamError::code(516))]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_word_that_the_device_is_gone_is_not_believed_where_the_next_login_succeeds(#[case] error: StreamError) {
    let (bench, alice) = alice().await;
    bench.sim.network().stream_error(&Scope::account(ALICE), &error);
    loss(&bench, &alice, "unlinked").await;
    bench.sink.connected(alice.id, 1).await;
    let heard = bench.sink.heard();
    assert!(!heard.of(alice.id).any(|event| matches!(event, SessionEvent::Ended(_) | SessionEvent::Qr { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replaced_connection_is_not_made_again() {
    let (bench, alice) = alice().await;
    bench.sim.network().stream_error(&Scope::account(ALICE), &StreamError::conflict("replaced"));
    assert_eq!(end(&bench, &alice).await, EndReason::Replaced);
    still_linked(&bench, &alice).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ban_says_when_it_ends() {
    let (bench, alice) = alice().await;
    let before = bench.env.now();
    let ban = Failure { reason: 402, code: Some(101), expire: Some(7200), message: None };
    strike(&bench, &alice, ConnectionFault::Failure(ban), None);
    let EndReason::Restricted { until: Some(until), .. } = end(&bench, &alice).await else { panic!("no end told") };
    assert!(until >= before.plus(Duration::from_hours(2)), "{until}");
    still_linked(&bench, &alice).await;
}

#[rstest]
#[case::locked(403, "Restricted")]
#[case::outdated(405, "ClientOutdated")]
#[case::bad_agent(409, "Refused")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_login_ends_the_attempts_and_keeps_the_credentials(#[case] reason: u16, #[case] what: &str) {
    let (bench, alice) = alice().await;
    bench.sim.network().reset_logins();
    strike(&bench, &alice, failure(reason), None);
    let end = end(&bench, &alice).await;
    assert!(format!("{end:?}").starts_with(what), "{end:?}");
    assert_eq!(logins(&bench), 1, "one attempt, no loop");
    still_linked(&bench, &alice).await;
}

#[rstest]
#[case::server_trouble(500)]
#[case::unavailable(503)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_cannot_take_logins_is_tried_on_and_says_so(#[case] reason: u16) {
    let (bench, alice) = alice().await;
    strike(&bench, &alice, failure(reason), Some(1));
    loss(&bench, &alice, &format!("({reason})")).await;
    bench.sink.connected(alice.id, 1).await;
}

#[rstest]
#[case::restart(515)]
#[case::rate_limit(429)]
#[case::server_trouble(500)]
#[case::unavailable(503)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_ends_in_an_error_is_made_again(#[case] code: u16) {
    let (bench, alice) = alice().await;
    bench.sim.network().reset_logins();
    bench.sim.network().stream_error(&Scope::account(ALICE), &StreamError::code(code));
    bench.sink.connected(alice.id, 1).await;
    assert_eq!(logins(&bench), 1);
    let heard: Vec<_> = bench.sink.heard().of(alice.id).cloned().collect();
    assert!(!heard.iter().any(|event| matches!(event, SessionEvent::Ended(_))), "{heard:?}");
    // After a 515 the client is back at once, mostly before anybody looks.
    assert!(code == 515 || matches!(heard[0], SessionEvent::ConnectionLost { .. }), "{heard:?}");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_socket_is_found_out_and_the_connection_made_again(#[values(true, false)] pong: bool) {
    let (bench, alice) = alice().await;
    let fault = ConnectionFault::Silence { pong };
    let rule = bench.sim.network().add(ConnectionRule::new(fault, Scope::account(ALICE)));
    let since = Instant::now();
    loss(&bench, &alice, "stopped answering").await;
    let times = timings();
    assert!(since.elapsed() >= times.quiet, "not before it was asked");
    // The client asks by itself, too, but 20 s after the last answer at the earliest.
    assert!(since.elapsed() < Duration::from_secs(15), "it is not left to the client");
    bench.sim.network().remove(rule);
    bench.sink.connected(alice.id, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_delivers_nothing_never_counts_as_connected_and_says_why() {
    let (bench, alice) = alice().await;
    let rule = strike(&bench, &alice, ConnectionFault::DeafLogin, None);
    loss(&bench, &alice, "delivered nothing").await;
    assert_eq!(bench.sink.heard().times_connected(alice.id), 0);
    bench.sim.network().remove(rule);
    bench.sink.connected(alice.id, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quiet_connection_that_answers_stays() {
    let (bench, alice) = alice().await;
    bench.sim.account(BOB);
    bench.sim.network().reset_logins();
    // Nothing happens, and that is what takes its time: long enough to be asked twice and given up.
    tokio::time::sleep((timings().quiet + timings().answer) * 2).await;
    let message = text(&bench.env, &jid(BOB), "hello");
    bench.send(&alice, &message).await.unwrap();
    bench.sink.acked(alice.id, &message.wa_id).await;
    assert_eq!(logins(&bench), 0, "an idle connection is asked, and kept");
    assert!(!bench.sink.heard().of(alice.id).any(|event| matches!(event, SessionEvent::ConnectionLost { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_answers_questions_and_no_message_is_found_out() {
    let (bench, alice) = alice().await;
    bench.sim.account(BOB).set_receipts(false);
    bench.sim.faults().add(FaultRule::new(Fault::WithholdAck).from(ALICE));
    bench.send(&alice, &text(&bench.env, &jid(BOB), "unanswered")).await.unwrap();
    let since = Instant::now();
    loss(&bench, &alice, "acknowledges no message").await;
    assert!(since.elapsed() + timings().look >= timings().mute, "not before its time");
    bench.sink.connected(alice.id, 1).await;
    bench.sim.faults().clear();
    let answered = text(&bench.env, &jid(BOB), "answered");
    bench.send(&alice, &answered).await.unwrap();
    bench.sink.acked(alice.id, &answered.wa_id).await;
}
