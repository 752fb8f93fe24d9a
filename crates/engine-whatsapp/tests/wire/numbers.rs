//! Who has an account, as the server says it.

use wa_sim::{Fault, FaultRule};
use waypost_domain::PhoneNumber;
use waypost_engine::LinkError;

use crate::bench::{Bench, jid};

const ALICE: &str = "4915100000001";
const BOB: &str = "4915100000002";
const NOBODY: &str = "4915100000003";

fn numbers(digits: &[&str]) -> Vec<PhoneNumber> {
    digits.iter().map(|digits| digits.parse().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_up_says_of_each_number_whether_it_has_an_account_and_under_which_address() {
    let bench = Bench::new().await;
    let alice = bench.linked(ALICE).await;
    let bob = bench.sim.account(BOB);
    let found = alice.link.lookup(&numbers(&[NOBODY, BOB])).await.unwrap();
    assert_eq!(found.iter().map(|found| found.number.as_str()).collect::<Vec<_>>(), [NOBODY, BOB]);
    assert_eq!(found[0].account, None);
    let account = found[1].account.clone().unwrap();
    assert_eq!((account.jid, account.lid.unwrap().user()), (jid(BOB), bob.lid()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_is_not_connected_says_so() {
    let bench = Bench::new().await;
    let alice = bench.linked(ALICE).await;
    alice.link.disconnect().await;
    let refused = alice.link.lookup(&numbers(&[BOB])).await;
    assert!(matches!(refused, Err(LinkError::Unavailable(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_that_exists_under_another_form_is_answered_with_that_one() {
    let bench = Bench::new().await;
    let alice = bench.linked(ALICE).await;
    let (with_9, without_9) = ("5511987654321", "551187654321");
    bench.sim.account(without_9).set_aliases(&[with_9]);
    // Both and a stranger in one question: each answer is for the number that was asked.
    let found = alice.link.lookup(&numbers(&[with_9, NOBODY, without_9])).await.unwrap();
    let found: Vec<_> = found.into_iter().map(|found| found.account.map(|account| account.jid)).collect();
    assert_eq!(found, [Some(jid(without_9)), None, Some(jid(without_9))]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_up_that_is_too_much_is_limited_for_as_long_as_the_server_says() {
    let bench = Bench::new().await;
    let alice = bench.linked(ALICE).await;
    bench.sim.faults().add(FaultRule::new(Fault::LookupError { code: 429, backoff: Some(77) }).from(ALICE).times(1));
    bench.sim.faults().add(FaultRule::new(Fault::LookupError { code: 500, backoff: None }).from(ALICE).times(1));
    let limited = alice.link.lookup(&numbers(&[BOB])).await;
    assert_eq!(limited, Err(LinkError::RateLimited { retry_after_secs: 77 }));
    let refused = alice.link.lookup(&numbers(&[BOB])).await;
    assert!(matches!(refused, Err(LinkError::Unavailable(_))), "{refused:?}");
    assert_eq!(alice.link.lookup(&numbers(&[BOB])).await.unwrap()[0].account, None);
}
