//! The road of a message through the real server: linked companions over sockets.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::struct_field_names,
    reason = "a test fails where it stands"
)]

#[allow(dead_code, reason = "shared with the other tests")]
mod support;

use futures::SinkExt as _;
use support::{Companion, Wire, attr, framed, opaque_message, open_socket, receipt};
use tokio_tungstenite::tungstenite::Message as WsMessage;
use wa_sim::{Config, Fault, FaultRule, Sim};
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};

async fn sim() -> Sim {
    Sim::start(Config { phone_receipts: false, ..Config::default() }).await.unwrap()
}

fn user(jid: &Jid) -> Node {
    NodeBuilder::new("user").attr("jid", jid).build()
}

#[tokio::test]
async fn the_push_name_decides_the_account_and_a_named_phone_wins() {
    let sim = sim().await;
    let first = Companion::link(&sim, "Ann", None).await;
    let second = Companion::link(&sim, "Ann", None).await;
    let named = Companion::link(&sim, "Ann", Some("+4915100000042")).await;
    assert_eq!((&first.paired.pn, &first.paired.lid), (&second.paired.pn, &second.paired.lid));
    assert_eq!((first.paired.device, second.paired.device), (1, 2));
    assert_eq!((named.paired.pn.as_str(), named.paired.device), ("4915100000042", 1));
    assert_eq!(sim.find_account(&first.paired.pn).unwrap().devices(), [1, 2]);
}

#[tokio::test]
async fn a_message_reaches_every_device_named_in_it_and_the_receipt_comes_back() {
    let sim = sim().await;
    let (ann, bob) = (Companion::link(&sim, "Ann", None).await, Companion::link(&sim, "Bob", None).await);
    let (mut a, mut b) = (ann.connect(&sim).await, bob.connect(&sim).await);
    let bob_phone = bob.jid().to_non_ad();
    a.send(&opaque_message("M1", &bob.jid(), &[bob.jid(), bob_phone.clone()])).await;
    let ack = a.until(|node| node.tag == "ack" && attr(node, "id") == "M1").await;
    assert_eq!((attr(&ack, "class"), attr(&ack, "error")), ("message".into(), String::new()));

    let received = b.until(|node| node.tag == "message" && attr(node, "id") == "M1").await;
    assert_eq!(attr(&received, "from"), ann.paired.jid);
    assert_eq!(attr(&received, "sender_lid"), format!("{}@lid", ann.paired.lid));
    assert_eq!(support::bytes_of(&received.children().unwrap()[0]), bob.paired.jid.as_bytes());
    // The phone was named too; nothing decrypts, so it asks for the message again.
    let retry = a.until(|node| node.tag == "receipt" && attr(node, "type") == "retry").await;
    assert_eq!(attr(&retry, "from"), bob_phone.to_string());
    assert!(retry.get_optional_child("keys").is_none(), "the first retry carries none");

    b.send(&receipt("M1", &ann.jid(), None)).await;
    b.until(|node| node.tag == "ack" && attr(node, "class") == "receipt").await;
    let delivered = a.until(|node| node.tag == "receipt" && attr(node, "type").is_empty()).await;
    assert_eq!((attr(&delivered, "id"), attr(&delivered, "from")), ("M1".into(), bob.paired.jid.clone()));
    b.send(&receipt("M1", &ann.jid().to_non_ad(), Some("read"))).await;
    a.until(|node| node.tag == "receipt" && attr(node, "type") == "read").await;
}

#[tokio::test]
async fn what_was_not_receipted_comes_again_after_a_reconnect_and_then_no_more() {
    let sim = sim().await;
    let (ann, bob) = (Companion::link(&sim, "Ann", None).await, Companion::link(&sim, "Bob", None).await);
    let mut a = ann.connect(&sim).await;
    drop(bob.connect(&sim).await);
    for id in ["M1", "M2"] {
        a.send(&opaque_message(id, &bob.jid(), &[bob.jid()])).await;
        a.until(|node| node.tag == "ack" && attr(node, "id") == id).await;
    }
    let ids = async |wire: &mut Wire| {
        let mut ids = Vec::new();
        loop {
            let node = wire.next().await.expect("the server hung up");
            if node.tag == "message" && attr(&node, "category").is_empty() {
                assert_eq!(attr(&node, "offline"), "0");
                ids.push(attr(&node, "id"));
            }
            if node.get_optional_child("offline").is_some() {
                return ids;
            }
        }
    };
    let mut b = bob.connect(&sim).await;
    assert_eq!(ids(&mut b).await, ["M1", "M2"]);
    b.send(&receipt("M1", &ann.jid(), None)).await;
    b.until(|node| node.tag == "ack" && attr(node, "class") == "receipt").await;
    let mut b = bob.connect(&sim).await;
    assert_eq!(ids(&mut b).await, ["M2"]);
}

#[tokio::test]
async fn keys_are_handed_out_once_and_unknown_people_are_named() {
    let sim = sim().await;
    let (ann, bob) = (Companion::link(&sim, "Ann", None).await, Companion::link(&sim, "Bob", None).await);
    let (mut a, mut b) = (ann.connect(&sim).await, bob.connect(&sim).await);
    let leaf = |tag: &'static str, bytes: Vec<u8>| NodeBuilder::new(tag).bytes(bytes).build();
    let key =
        |id: u8| NodeBuilder::new("key").children([leaf("id", vec![0, 0, id]), leaf("value", vec![id; 32])]).build();
    let upload = vec![
        leaf("registration", vec![0, 0, 0, 9]),
        leaf("type", vec![5]),
        leaf("identity", support::raw(&bob.identity.identity.public_key).to_vec()),
        NodeBuilder::new("list").children([key(1), key(2)]).build(),
        NodeBuilder::new("skey")
            .children([leaf("id", vec![0, 0, 1]), leaf("value", vec![3; 32]), leaf("signature", vec![4; 64])])
            .build(),
    ];
    assert_eq!(attr(&b.iq("up", "encrypt", "set", upload).await, "type"), "result");
    let stranger: Jid = "4999999999@s.whatsapp.net".parse().unwrap();
    let mut seen = Vec::new();
    for n in 0..3 {
        let ask = NodeBuilder::new("key").children([user(&bob.jid()), user(&stranger)]).build();
        let answer = a.iq(&format!("k{n}"), "encrypt", "get", vec![ask]).await;
        let users = answer.get_optional_child("list").unwrap().children().unwrap().to_vec();
        assert!(users[0].get_optional_child("device-identity").is_some());
        assert!(users[1].get_optional_child("error").is_some());
        let id = users[0].get_optional_child_by_tag(&["key", "id"]);
        seen.push(id.map(|id| support::bytes_of(id).to_vec()));
    }
    assert_eq!(seen, [Some(vec![0, 0, 1]), Some(vec![0, 0, 2]), None]);
    let count = b.iq("c", "encrypt", "get", vec![NodeBuilder::new("count").build()]).await;
    assert_eq!(attr(count.get_optional_child("count").unwrap(), "value"), "0");
    let digest = b.iq("d", "encrypt", "get", vec![NodeBuilder::new("digest").build()]).await;
    let hash = digest.get_optional_child_by_tag(&["digest", "hash"]).unwrap();
    assert_eq!(support::bytes_of(hash).len(), 20);
}

#[tokio::test]
async fn usync_knows_devices_lids_and_who_exists() {
    let sim = sim().await;
    let (ann, bob) = (Companion::link(&sim, "Ann", None).await, Companion::link(&sim, "Bob", None).await);
    let mut a = ann.connect(&sim).await;
    let contact = |phone: &str| {
        let contact = NodeBuilder::new("contact").string_content(phone).build();
        NodeBuilder::new("user").children([contact]).build()
    };
    let ask = |protocols: Vec<Node>, users: Vec<Node>| {
        NodeBuilder::new("usync")
            .attr("sid", "1")
            .children([
                NodeBuilder::new("query").children(protocols).build(),
                NodeBuilder::new("list").children(users).build(),
            ])
            .build()
    };
    let tag = |name: &'static str| NodeBuilder::new(name).build();
    let users = vec![contact(&format!("+{}", bob.paired.pn)), contact("+4999999999")];
    let answer = a.iq("u1", "usync", "get", vec![ask(vec![tag("contact"), tag("lid")], users)]).await;
    let list = answer.get_optional_child_by_tag(&["usync", "list"]).unwrap().children().unwrap().to_vec();
    assert_eq!(attr(list[0].get_optional_child("contact").unwrap(), "type"), "in");
    assert_eq!(attr(list[0].get_optional_child("lid").unwrap(), "val"), format!("{}@lid", bob.paired.lid));
    assert_eq!(attr(list[1].get_optional_child("contact").unwrap(), "type"), "out");

    let users = vec![user(&bob.jid().to_non_ad())];
    let answer = a.iq("u2", "usync", "get", vec![ask(vec![tag("devices")], users)]).await;
    let parsed = wacore::usync::parse_get_user_devices_response(&answer).unwrap();
    assert_eq!(parsed, [bob.jid().to_non_ad(), bob.jid()], "as whatsapp-rust reads it");

    // Having asked, Ann hears when Bob links another device.
    let second = Companion::link(&sim, "Bob", None).await;
    let news = a.until(|node| node.tag == "notification" && attr(node, "type") == "devices").await;
    let device = news.get_optional_child_by_tag(&["add", "device"]).unwrap();
    assert_eq!(attr(device, "jid"), second.paired.jid);
}

#[tokio::test]
async fn only_a_linked_device_with_its_own_key_gets_in() {
    let sim = sim().await;
    let mut ann = Companion::link(&sim, "Ann", None).await;
    let right = std::mem::replace(&mut ann.identity.noise, support::key_pair());
    let mut wire = Wire::open(&sim, &ann.identity.noise, &support::login_payload(&ann.paired)).await;
    assert_eq!(attr(&wire.until_tag("failure").await, "reason"), "401");
    assert!(wire.next().await.is_none());

    ann.identity.noise = right;
    let mut wire = ann.connect(&sim).await;
    assert!(sim.account(&ann.paired.pn).unlink(1));
    let end = wire.until_tag("stream:error").await;
    assert_eq!(attr(end.get_optional_child("conflict").unwrap(), "type"), "device_removed");
    let mut wire = Wire::open(&sim, &ann.identity.noise, &support::login_payload(&ann.paired)).await;
    assert_eq!(attr(&wire.until_tag("failure").await, "reason"), "401");
}

#[tokio::test]
async fn a_second_login_replaces_the_first() {
    let sim = sim().await;
    let ann = Companion::link(&sim, "Ann", None).await;
    let mut first = ann.connect(&sim).await;
    let mut second = ann.connect(&sim).await;
    let end = first.until_tag("stream:error").await;
    assert_eq!(attr(end.get_optional_child("conflict").unwrap(), "type"), "replaced");
    assert_eq!(attr(&second.iq("p", "w:p", "get", Vec::new()).await, "type"), "result");
}

#[tokio::test]
async fn rubbish_ends_its_own_connection_and_no_other() {
    let sim = sim().await;
    let (ann, bob) = (Companion::link(&sim, "Ann", None).await, Companion::link(&sim, "Bob", None).await);
    let mut bystander = bob.connect(&sim).await;

    let mut wrong_preamble = open_socket(&sim).await;
    wrong_preamble.send(WsMessage::Binary(b"GET / HTTP/1.1".to_vec().into())).await.unwrap();
    let mut wrong_hello = open_socket(&sim).await;
    wrong_hello.send(WsMessage::Binary([b"WA\x06\x03", &framed(&[0xff; 50])[..]].concat().into())).await.unwrap();
    let mut wrong_frame = ann.connect(&sim).await;
    wrong_frame.socket.send(WsMessage::Binary(framed(&[9; 64]).into())).await.unwrap();
    while wrong_frame.next().await.is_some() {}
    let mut wrong_stanza = ann.connect(&sim).await;
    wrong_stanza.send(&NodeBuilder::new("message").attr("type", "text").build()).await;
    while wrong_stanza.next().await.is_some() {}
    for mut socket in [wrong_preamble, wrong_hello] {
        let end = futures::StreamExt::next(&mut socket).await;
        assert!(matches!(end, None | Some(Err(_) | Ok(WsMessage::Close(_)))), "{end:?}");
    }
    assert_eq!(attr(&bystander.iq("p", "w:p", "get", Vec::new()).await, "type"), "result");
    assert_eq!(attr(&ann.connect(&sim).await.iq("p", "w:p", "get", Vec::new()).await, "type"), "result");
}

#[tokio::test]
async fn faults_refuse_withhold_and_drop() {
    let sim = sim().await;
    let (ann, bob) = (Companion::link(&sim, "Ann", None).await, Companion::link(&sim, "Bob", None).await);
    let (mut a, mut b) = (ann.connect(&sim).await, bob.connect(&sim).await);
    for fault in [Fault::Nack { code: 463 }, Fault::WithholdAck, Fault::DropReceipt { receipt: None }] {
        sim.faults().add(FaultRule::new(fault).times(1));
    }
    let mut acks = Vec::new();
    for id in ["nacked", "withheld", "clean"] {
        a.send(&opaque_message(id, &bob.jid(), &[bob.jid()])).await;
    }
    while acks.len() < 2 {
        let ack = a.until(|node| node.tag == "ack").await;
        acks.push((attr(&ack, "id"), attr(&ack, "error")));
    }
    assert_eq!(acks, [("nacked".into(), "463".into()), ("clean".into(), String::new())]);
    for id in ["withheld", "clean"] {
        let received = b.until(|node| node.tag == "message" && attr(node, "category").is_empty()).await;
        assert_eq!(attr(&received, "id"), id);
        b.send(&receipt(id, &ann.jid(), None)).await;
    }
    let first = a.until(|node| node.tag == "receipt").await;
    assert_eq!(attr(&first, "id"), "clean", "the first receipt was dropped");
}

#[tokio::test]
async fn phones_write_to_each_other_and_read() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let (ann, bob) = (sim.account("4915100000001"), sim.account("4915100000002"));
    let id = ann.send_text(bob.pn(), "hello").await.unwrap();
    bob.send_text(ann.pn(), "hello yourself").await.unwrap();
    while bob.totals().received < 1 || ann.receipts().is_empty() {
        tokio::task::yield_now().await;
    }
    let chats = bob.chats();
    let shown = &chats[0].messages[0];
    assert_eq!((shown.id.as_str(), shown.text.as_deref(), shown.decrypted), (id.as_str(), Some("hello"), Some(true)));
    assert_eq!(bob.read(Some(ann.pn())).await, 1);
    while !ann.receipts().iter().any(|receipt| receipt.kind == "read") {
        tokio::task::yield_now().await;
    }
    assert!(ann.send_text("4999999999", "nobody").await.is_err());
}
