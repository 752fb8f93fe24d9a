//! Acks, receipts, copies and lookups go wrong on demand, as clients over real sockets see it.

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
use wa_sim::{Config, Copied, Fault, FaultRule, ReceiptForm, Sim};
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};

struct Bench {
    sim: Sim,
    ann: Companion,
    bob: Companion,
    a: Wire,
    b: Wire,
}

/// Ann and Bob, connected; no phone says anything.
async fn bench() -> Bench {
    let sim = Sim::start(Config { phone_receipts: false, ..Config::default() }).await.unwrap();
    let (ann, bob) = (Companion::link(&sim, "Ann", None).await, Companion::link(&sim, "Bob", None).await);
    let (a, b) = (ann.connect(&sim).await, bob.connect(&sim).await);
    Bench { sim, ann, bob, a, b }
}

impl Bench {
    async fn send(&mut self, id: &str) {
        self.a.send(&opaque_message(id, &self.bob.jid(), &[self.bob.jid()])).await;
    }

    /// Bob gets the message and says so.
    async fn receive(&mut self, id: &str) {
        self.b.until(|node| node.tag == "message" && attr(node, "id") == id).await;
        self.b.send(&receipt(id, &self.ann.jid(), None)).await;
    }

    /// The acks and receipts that Ann hears from here on, with what `of` reads off them.
    async fn heard<T>(&mut self, count: usize, of: impl Fn(&Node) -> T) -> Vec<T> {
        let mut heard = Vec::new();
        while heard.len() < count {
            let node = self.a.until(|node| node.tag == "receipt" || node.tag == "ack").await;
            heard.push(of(&node));
        }
        heard
    }
}

fn tag_and_id(node: &Node) -> String {
    format!("{} {}", node.tag, attr(node, "id"))
}

#[tokio::test]
async fn an_ack_is_repeated_or_comes_late() {
    let mut bench = bench().await;
    bench.sim.faults().add(FaultRule::new(Fault::RepeatAck { count: 2 }).id("thrice"));
    bench.sim.faults().add(FaultRule::new(Fault::DelayAck { ms: 200 }).id("late"));
    for id in ["thrice", "late", "plain"] {
        bench.send(id).await;
    }
    let expected = ["ack thrice", "ack thrice", "ack thrice", "ack plain", "ack late"];
    assert_eq!(bench.heard(5, tag_and_id).await, expected);
}

#[tokio::test]
async fn a_receipt_can_be_here_before_the_ack() {
    let mut bench = bench().await;
    bench.sim.faults().add(FaultRule::new(Fault::EarlyReceipt).from(&bench.ann.paired.pn).times(1));
    bench.send("early").await;
    bench.receive("early").await;
    bench.send("plain").await;
    bench.receive("plain").await;
    let expected = ["receipt early", "ack early", "ack plain", "receipt plain"];
    assert_eq!(bench.heard(4, tag_and_id).await, expected);
}

#[tokio::test]
async fn receipts_are_delayed_repeated_and_come_from_other_addresses() {
    let mut bench = bench().await;
    let bob = bench.bob.jid();
    let lid: Jid = format!("{}:{}@lid", bench.bob.paired.lid, bench.bob.paired.device).parse().unwrap();
    let rules = [
        (Fault::ReceiptForm { form: ReceiptForm::Lid, receipt: None }, "lid"),
        (Fault::ReceiptForm { form: ReceiptForm::Companion, receipt: Some("read".into()) }, "companion"),
        (Fault::RepeatReceipt { count: 1, receipt: None }, "twice"),
        (Fault::DelayReceipt { ms: 200, receipt: None }, "late"),
    ];
    for (fault, id) in rules {
        bench.sim.faults().add(FaultRule::new(fault).id(id));
    }
    for (id, kind) in [("late", None), ("lid", None), ("companion", Some("read")), ("twice", None), ("plain", None)] {
        let to = if kind.is_some() { bench.ann.jid().to_non_ad() } else { bench.ann.jid() };
        bench.b.send(&receipt(id, &to, kind)).await;
    }
    let heard = bench.heard(6, |node| format!("{} {}", attr(node, "id"), attr(node, "from"))).await;
    let expected = [
        format!("lid {lid}"),
        format!("companion {bob}"),
        format!("twice {bob}"),
        format!("twice {bob}"),
        format!("plain {bob}"),
        format!("late {bob}"),
    ];
    assert_eq!(heard, expected);
}

#[tokio::test]
async fn receipts_are_shuffled_the_same_way_by_the_same_seed_and_none_is_lost() {
    let mut orders = Vec::new();
    for _ in 0..2 {
        let mut bench = bench().await;
        let shuffle = Fault::ShuffleReceipts { hold: 8, seed: Some(7), receipt: None };
        bench.sim.faults().add(FaultRule::new(shuffle));
        let ids: Vec<String> = (0..10).map(|n| n.to_string()).collect();
        for id in &ids {
            bench.b.send(&receipt(id, &bench.ann.jid(), None)).await;
            bench.b.until(|node| node.tag == "ack" && attr(node, "id") == *id).await;
        }
        let mut order = bench.heard(8, |node| attr(node, "id")).await;
        assert_ne!(order, ids[..8]);
        bench.sim.faults().clear();
        order.extend(bench.heard(2, |node| attr(node, "id")).await);
        let mut sorted = order.clone();
        sorted.sort();
        assert_eq!(sorted, ids);
        orders.push(order);
    }
    assert_eq!(orders[0], orders[1]);
}

#[tokio::test]
async fn what_a_device_has_settled_is_delivered_to_it_again() {
    let mut bench = bench().await;
    let again = |only| Fault::Redeliver { count: 2, only: Some(only), device: None };
    bench.sim.faults().add(FaultRule::new(again(Copied::Message)).to(&bench.bob.paired.pn).times(1));
    bench.sim.faults().add(FaultRule::new(again(Copied::Receipt)).to(&bench.ann.paired.pn).times(1));
    bench.send("M1").await;
    for _ in 0..3 {
        bench.receive("M1").await;
    }
    bench.a.until_tag("ack").await;
    // The first receipt is the one that comes again; the second and third are Bob's answers to what came again.
    for _ in 0..5 {
        let heard = bench.a.until_tag("receipt").await;
        assert_eq!(attr(&heard, "id"), "M1");
        let settle = NodeBuilder::new("ack").attr("class", "receipt").attr("id", "M1").attr("to", attr(&heard, "from"));
        bench.a.send(&settle.build()).await;
    }
    assert_eq!(attr(&bench.b.iq("p", "w:p", "get", Vec::new()).await, "type"), "result");
    assert_eq!(attr(&bench.a.iq("p", "w:p", "get", Vec::new()).await, "type"), "result");
    let queued = |who: &Companion| bench.sim.account(&who.paired.pn).queued(who.paired.device);
    // What is left are the two stanzas by which a phone welcomes its companion, which these clients never settle.
    while (queued(&bench.bob), queued(&bench.ann)) != (2, 2) {
        tokio::task::yield_now().await;
    }
}

fn lookup(numbers: &[&str]) -> Vec<Node> {
    let users = numbers.iter().map(|number| {
        let contact = NodeBuilder::new("contact").string_content(format!("+{number}")).build();
        NodeBuilder::new("user").children([contact]).build()
    });
    let query = ["contact", "lid"].map(|name| NodeBuilder::new(name).build());
    let usync = NodeBuilder::new("usync").attr("sid", "1").children([
        NodeBuilder::new("query").children(query).build(),
        NodeBuilder::new("list").children(users).build(),
    ]);
    vec![usync.build()]
}

#[tokio::test]
async fn a_number_is_found_under_another_form_and_the_exact_one_wins() {
    const CANONICAL: &str = "551187654321";
    const OTHER: &str = "5511987654321";
    let mut bench = bench().await;
    bench.sim.account(CANONICAL).set_aliases(&[OTHER]);
    let found = async |a: &mut Wire, number: &str| {
        let answer = a.iq(number, "usync", "get", lookup(&[number])).await;
        let user = answer.get_optional_child_by_tag(&["usync", "list", "user"]).unwrap().clone();
        (attr(user.get_optional_child("contact").unwrap(), "type"), attr(&user, "jid"))
    };
    let canonical = ("in".to_owned(), format!("{CANONICAL}@s.whatsapp.net"));
    assert_eq!(found(&mut bench.a, CANONICAL).await, canonical);
    assert_eq!(found(&mut bench.a, OTHER).await, canonical);
    let unknown = ("out".to_owned(), "5511900000000@s.whatsapp.net".to_owned());
    assert_eq!(found(&mut bench.a, "5511900000000").await, unknown);
    assert_eq!(bench.sim.lookups(), (3, 3));

    // A message to the other form is taken and reaches nobody.
    let to = Jid::pn(OTHER);
    bench.a.send(&opaque_message("void", &to, std::slice::from_ref(&to))).await;
    assert_eq!(attr(&bench.a.until_tag("ack").await, "error"), "");
    assert!(bench.sim.account(CANONICAL).chats().is_empty());

    bench.sim.account(OTHER);
    assert_eq!(found(&mut bench.a, OTHER).await, ("in".to_owned(), format!("{OTHER}@s.whatsapp.net")));
}

#[tokio::test]
async fn lookups_are_refused_on_demand() {
    let mut bench = bench().await;
    let refuse = Fault::LookupError { code: 429, backoff: Some(30) };
    bench.sim.faults().add(FaultRule::new(refuse).from(&bench.ann.paired.pn).times(1));
    let answer = bench.a.iq("u1", "usync", "get", lookup(&["4915100000009"])).await;
    let error = answer.get_optional_child("error").unwrap();
    let read = ["code", "text", "type", "backoff"].map(|name| attr(error, name));
    assert_eq!(read, ["429", "rate-overlimit", "wait", "30"]);
    let answer = bench.a.iq("u2", "usync", "get", lookup(&["4915100000009"])).await;
    assert_eq!(attr(&answer, "type"), "result");
}

#[tokio::test]
async fn a_misspelt_rule_is_refused_and_aliases_are_made_over_http() {
    let sim = Sim::start(Config::default()).await.unwrap();
    assert_eq!(http::request(&sim, "POST /admin/faults", r#"{"kind":"nack","code":463,"too":"1"}"#).await.0, 400);
    assert_eq!(http::request(&sim, "POST /admin/faults", r#"{"kind":"repeatAck","count":1000}"#).await.0, 400);
    assert_eq!(
        http::request(&sim, "POST /admin/faults", r#"{"kind":"nack","code":463,"to":"1","after":1}"#).await.0,
        201
    );
    assert_eq!(sim.faults().list(), [FaultRule::new(Fault::Nack { code: 463 }).to("1").after(1)]);
    let body = r#"{"pn":"551187654321","aliases":["5511987654321"]}"#;
    let (status, answer) = http::request(&sim, "POST /admin/accounts", body).await;
    assert_eq!(status, 201);
    assert!(answer.contains(r#""aliases":["5511987654321"]"#), "{answer}");
    assert_eq!(http::request(&sim, "POST /admin/accounts", r#"{"pn":"551187654321","aliases":["x"]}"#).await.0, 400);
}
