//! What phones show, how they ask again and answer, and under which addresses people see each other.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::struct_field_names,
    reason = "a test fails where it stands"
)]

#[path = "support/http.rs"]
mod http;
#[allow(dead_code, reason = "shared with the other tests")]
mod support;

use support::{Companion, Wire, attr, opaque_message, receipt};
use wa_sim::{Config, Fault, FaultRule, Phones, ReceiptForm, Sim};
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node, NodeContent};

const BOB: &str = "4915100000002";

/// Phones that only count, so that a test need not encrypt to be shown.
async fn sim() -> Sim {
    Sim::start(Config { phone_receipts: false, phones: Phones::Count, ..Config::default() }).await.unwrap()
}

async fn until(mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), waiting).await.unwrap();
}

/// Sends to the phone of an account and gives the ack's error.
async fn send(wire: &mut Wire, id: &str, to: &Jid) -> String {
    wire.send(&opaque_message(id, to, std::slice::from_ref(to))).await;
    let ack = wire.until(|node| node.tag == "ack" && attr(node, "id") == id).await;
    attr(&ack, "error")
}

fn bytes_of_enc(message: &Node) -> Vec<u8> {
    support::bytes_of(message.get_optional_child("enc").unwrap()).to_vec()
}

#[tokio::test]
async fn what_phones_were_shown_is_told_in_order_and_in_short() {
    let sim = sim().await;
    let ann = Companion::link(&sim, "Ann", None).await;
    let mut a = ann.connect(&sim).await;
    let bob = sim.account(BOB);
    for id in ["M2", "M1", "M2"] {
        assert_eq!(send(&mut a, id, &Jid::pn(BOB)).await, "");
    }
    until(|| bob.totals().received + bob.totals().repeated == 3).await;
    let shown = bob.shown();
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].chat, ann.paired.pn);
    let seen: Vec<_> = shown[0].received.iter().map(|shown| (shown.id.as_str(), shown.times)).collect();
    assert_eq!(seen, [("M2", 2), ("M1", 1)]);
    assert!(shown[0].sent.is_empty());

    let page = http::request(&sim, &format!("GET /admin/shown?account={BOB}"), "").await.1;
    assert!(page.contains(r#""received":[["M2",2,null],["M1",1,null]]"#), "{page}");
    let first = http::request(&sim, "GET /admin/shown?limit=1", "").await.1;
    assert!(first.contains(&format!(r#""next":"{BOB}""#)) != first.contains(&format!(r#""next":"{}""#, ann.paired.pn)));
}

#[tokio::test]
async fn one_copy_is_damaged_and_the_next_is_whole() {
    let sim = sim().await;
    let (ann, bob) = (Companion::link(&sim, "Ann", None).await, Companion::link(&sim, "Bob", None).await);
    let (mut a, mut b) = (ann.connect(&sim).await, bob.connect(&sim).await);
    sim.faults().add(FaultRule::new(Fault::Corrupt { device: Some(bob.paired.device) }).times(1));
    for (id, whole) in [("M1", false), ("M2", true)] {
        a.send(&opaque_message(id, &bob.jid(), &[bob.jid()])).await;
        let received = b.until(|node| node.tag == "message" && attr(node, "id") == id).await;
        assert_eq!(bytes_of_enc(&received) == bob.paired.jid.as_bytes(), whole);
    }
}

#[tokio::test]
async fn a_phone_asks_again_for_what_it_was_shown_by_any_of_its_addresses() {
    let sim = sim().await;
    let ann = Companion::link(&sim, "Ann", None).await;
    let mut a = ann.connect(&sim).await;
    let bob = sim.account(BOB);
    send(&mut a, "M1", &Jid::pn(BOB)).await;
    until(|| bob.totals().received == 1).await;
    let forms = [
        (None, Jid::pn(BOB).to_string()),
        (Some(ReceiptForm::Lid), format!("{}@lid", bob.lid())),
        (Some(ReceiptForm::Companion), format!("{BOB}:1@s.whatsapp.net")),
    ];
    for (count, (form, address)) in (1_u32..).zip(forms) {
        assert!(bob.ask_again(&ann.paired.pn, "M1", form, count).await);
        let asked = a.until(|node| node.tag == "receipt" && attr(node, "type") == "retry").await;
        assert_eq!((attr(&asked, "id"), attr(&asked, "from")), ("M1".into(), address));
        assert_eq!(attr(asked.get_optional_child("retry").unwrap(), "count"), count.to_string());
        assert_eq!(asked.get_optional_child("keys").is_some(), count >= 2, "keys come from the second retry on");
    }
    assert!(!bob.ask_again(&ann.paired.pn, "M2", None, 1).await, "it was never shown this one");
    send(&mut a, "M1", &Jid::pn(BOB)).await;
    until(|| bob.totals().repeated == 1).await;
    let shown = bob.chats()[0].messages[0].clone();
    assert_eq!((shown.times, shown.retries, shown.resends), (2, 3, 1));
}

#[tokio::test]
async fn a_phone_sends_again_what_a_companion_could_not_read() {
    let sim = sim().await;
    let ann = Companion::link(&sim, "Ann", None).await;
    let mut a = ann.connect(&sim).await;
    let id = sim.account(BOB).send_text(&ann.paired.pn, "hello").await.unwrap();
    let first = a.until(|node| node.tag == "message" && attr(node, "id") == id).await;
    let retry = NodeBuilder::new("retry").attr("id", &*id).attr("count", 1_u32).attr("t", "1").attr("v", "1").build();
    let mut ask = receipt(&id, &attr(&first, "from").parse().unwrap(), Some("retry"));
    ask.content = Some(NodeContent::Nodes(vec![retry]));
    a.send(&ask).await;
    let again = a.until(|node| node.tag == "message" && attr(node, "id") == id).await;
    assert_eq!(attr(again.get_optional_child("enc").unwrap(), "count"), "1");
    assert_ne!(bytes_of_enc(&again), bytes_of_enc(&first));
}

#[tokio::test]
async fn an_account_that_is_migrated_writes_by_lid_and_one_that_is_not_by_number() {
    let sim = sim().await;
    let ann = Companion::link(&sim, "Ann", None).await;
    let mut a = ann.connect(&sim).await;
    let account = sim.account(&ann.paired.pn);
    let (by_number, by_lid) = (Jid::pn(BOB), Jid::lid(sim.account(BOB).lid()));
    for (migrated, number, lid) in [(None, "", ""), (Some(true), "400", ""), (Some(false), "", "400")] {
        account.set_lid_migrated(migrated);
        assert_eq!(send(&mut a, &format!("number {migrated:?}"), &by_number).await, number);
        assert_eq!(send(&mut a, &format!("lid {migrated:?}"), &by_lid).await, lid);
    }
    // Unmigrated, but Bob can be reached in no other way.
    sim.account(BOB).set_hide_pn(true);
    assert_eq!(send(&mut a, "hidden", &by_lid).await, "");
    // Oneself is no chat.
    account.set_lid_migrated(Some(true));
    assert_eq!(send(&mut a, "self", &Jid::pn(&*ann.paired.pn)).await, "");
}

#[tokio::test]
async fn people_are_seen_by_the_address_that_the_receiver_uses() {
    let sim = Sim::start(Config { phone_receipts: false, ..Config::default() }).await.unwrap();
    let ann = Companion::link(&sim, "Ann", None).await;
    let mut a = ann.connect(&sim).await;
    let (account, bob) = (sim.account(&ann.paired.pn), sim.account(BOB));
    let (number, lid) = (format!("{BOB}@s.whatsapp.net"), format!("{}@lid", bob.lid()));
    let cases = [
        (Some(false), false, [number.clone(), String::new(), lid.clone()]),
        (Some(true), false, [lid.clone(), number, String::new()]),
        (Some(true), true, [lid.clone(), String::new(), String::new()]),
        (Some(false), true, [lid, String::new(), String::new()]),
    ];
    for (migrated, hidden, expected) in cases {
        account.set_lid_migrated(migrated);
        bob.set_hide_pn(hidden);
        let id = bob.send_text(&ann.paired.pn, "hello").await.unwrap();
        let message = a.until(|node| node.tag == "message" && attr(node, "id") == id).await;
        let seen = ["from", "sender_pn", "sender_lid"].map(|name| attr(&message, name));
        assert_eq!(seen, expected, "{migrated:?} {hidden}");
    }
}

#[tokio::test]
async fn a_pretend_companion_reads_along_from_when_it_was_added_until_it_is_removed() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let (ann, bob) = (sim.account("4915100000001"), sim.account(BOB));
    let watcher = Companion::link(&sim, "Watcher", None).await;
    let mut w = watcher.connect(&sim).await;
    let user = NodeBuilder::new("user").attr("jid", Jid::pn(BOB)).build();
    let query = NodeBuilder::new("query").children([NodeBuilder::new("devices").build()]).build();
    let list = NodeBuilder::new("list").children([user]).build();
    w.iq("u", "usync", "get", vec![NodeBuilder::new("usync").children([query, list]).build()]).await;

    ann.send_text(BOB, "before").await.unwrap();
    let (status, answer) = http::request(&sim, &format!("POST /admin/accounts/{BOB}/devices"), "").await;
    assert_eq!((status, answer.as_str()), (201, r#"{"device":1,"jid":"4915100000002:1@s.whatsapp.net"}"#));
    let news = w.until(|node| node.tag == "notification" && attr(node, "type") == "devices").await;
    assert!(news.get_optional_child("add").is_some());

    let id = ann.send_text(BOB, "between").await.unwrap();
    until(|| bob.totals_of(1).unwrap().received == 1 && bob.totals().received == 2).await;
    let shown = bob.chats_of(1).unwrap()[0].messages[0].clone();
    assert_eq!((shown.id.as_str(), shown.text.as_deref(), shown.decrypted), (id.as_str(), Some("between"), Some(true)));
    let from = |address: &str| ann.receipts().iter().any(|receipt| receipt.id == id && receipt.from == address);
    until(|| from("4915100000002@s.whatsapp.net") && from("4915100000002:1@s.whatsapp.net")).await;
    let (_, page) = http::request(&sim, &format!("GET /admin/shown?account={BOB}"), "").await;
    assert!(page.contains(r#""devices":[{"#), "{page}");

    // What the account itself writes is shown there too.
    bob.send_text(ann.pn(), "mine").await.unwrap();
    until(|| bob.totals_of(1).unwrap().sent == 1).await;

    // A copy that only this device cannot read: it asks again, alone.
    sim.faults().add(FaultRule::new(Fault::Corrupt { device: Some(1) }).to(BOB).times(1));
    ann.send_text(BOB, "twice").await.unwrap();
    until(|| bob.totals_of(1).unwrap().received == 2).await;
    assert_eq!((bob.totals_of(1).unwrap().undecryptable, bob.totals().undecryptable), (1, 0));

    assert!(bob.unlink(1));
    ann.send_text(BOB, "after").await.unwrap();
    until(|| bob.totals().received == 4).await;
    assert!(bob.totals_of(1).is_none());
}
