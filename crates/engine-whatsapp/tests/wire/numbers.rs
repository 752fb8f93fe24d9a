//! Who has an account, as the server says it.

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
