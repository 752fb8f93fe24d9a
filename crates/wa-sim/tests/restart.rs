//! What a restart of the simulator leaves as it was.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::struct_field_names,
    reason = "a test fails where it stands"
)]

#[allow(dead_code, reason = "shared with the other tests")]
mod support;

use std::path::PathBuf;
use support::{Companion, Wire, admin, attr, opaque_message, receipt};
use wa_sim::{Config, Sim};
use wacore_binary::builder::NodeBuilder;

const ANN: &str = "4915100000001";
const BOB: &str = "4915100000002";

/// A file of this test's own, gone with it.
struct File(PathBuf);

impl File {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("wa-sim-{}-{name}.json", std::process::id()));
        let _ = std::fs::remove_file(&path);
        Self(path)
    }

    fn config(&self) -> Config {
        Config { state: Some(self.0.clone()), ..Config::default() }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

async fn again(sim: Sim, file: &File) -> Sim {
    let listen = sim.addr();
    sim.shutdown().await;
    Sim::start(Config { listen, ..file.config() }).await.unwrap()
}

/// The ids of what waited for a device, handed out at login.
async fn waiting(wire: &mut Wire) -> Vec<String> {
    let mut ids = Vec::new();
    loop {
        let node = wire.next().await.expect("the server hung up");
        if node.tag == "message" && attr(&node, "category").is_empty() {
            ids.push(attr(&node, "id"));
        }
        if node.get_optional_child("offline").is_some() {
            return ids;
        }
    }
}

#[tokio::test]
async fn companions_log_in_again_and_get_what_waited_once() {
    let file = File::new("companions");
    let sim = Sim::start(file.config()).await.unwrap();
    let (ann, bob) = (Companion::link(&sim, "Ann", None).await, Companion::link(&sim, "Bob", None).await);
    let (mut a, mut b) = (ann.connect(&sim).await, bob.connect(&sim).await);
    let member = NodeBuilder::new("participant").attr("jid", bob.jid().to_non_ad()).build();
    let create = NodeBuilder::new("create").attr("subject", "Us").children([member]).build();
    let group = a.iq("g", "w:g2", "set", vec![create]).await;
    let group = attr(group.get_optional_child("group").unwrap(), "id");
    drop(b);
    for id in ["M1", "M2", "M3"] {
        a.send(&opaque_message(id, &bob.jid(), &[bob.jid()])).await;
        a.until(|node| node.tag == "ack" && attr(node, "id") == id).await;
    }
    b = bob.connect(&sim).await;
    assert_eq!(waiting(&mut b).await, ["M1", "M2", "M3"]);
    b.send(&receipt("M2", &ann.jid(), None)).await;
    b.until(|node| node.tag == "ack" && attr(node, "class") == "receipt").await;
    sim.clock().shift(3_600_000);
    let (root, addr, lid) = (sim.root_key(), sim.addr(), ann.paired.lid.clone());

    let sim = again(sim, &file).await;
    assert_eq!((sim.root_key(), sim.addr()), (root, addr));
    // The old connections are over.
    while a.next().await.is_some() {}
    assert_eq!(sim.find_account(&ann.paired.pn).unwrap().lid(), lid);
    // Not a 401, and the phone does not welcome the device a second time.
    let (mut a, mut b) = (ann.connect(&sim).await, bob.connect(&sim).await);
    assert_eq!(waiting(&mut b).await, ["M1", "M3"]);
    let mine = a.iq("p", "w:g2", "get", vec![NodeBuilder::new("participating").build()]).await;
    let mine = mine.get_optional_child_by_tag(&["groups", "group"]).unwrap();
    assert_eq!((attr(mine, "id"), attr(mine, "subject"), attr(mine, "size")), (group, "Us".into(), "2".into()));
    let second = Companion::link(&sim, "Ann", None).await;
    assert_eq!((second.paired.pn, second.paired.device), (ann.paired.pn, 2));
    let ahead =
        sim.clock().secs() - std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!((3599..=3601).contains(&ahead));
}

#[tokio::test]
async fn phones_read_on_and_their_books_go_on() {
    let file = File::new("phones");
    let mut sim = Sim::start(file.config()).await.unwrap();
    for round in 1..=3_u64 {
        let (ann, bob) = (sim.account(ANN), sim.account(BOB));
        ann.send_text(BOB, &format!("hello {round}")).await.unwrap();
        bob.send_text(ANN, &format!("hello yourself {round}")).await.unwrap();
        while ann.totals().received < round || bob.totals().received < round {
            tokio::task::yield_now().await;
        }
        if bob.devices().is_empty() {
            bob.add_device().unwrap();
        }
        // Straight into the restart: what is on its way is finished first.
        ann.send_text(BOB, "last words").await.unwrap();
        sim = again(sim, &file).await;
        let totals = sim.find_account(BOB).unwrap().totals();
        assert_eq!((totals.repeated, totals.undecryptable), (0, 0));
    }
    // A pretend companion is there since the first last words.
    let companion = sim.find_account(BOB).unwrap().totals_of(1).unwrap();
    assert_eq!((companion.received, companion.sent, companion.repeated, companion.undecryptable), (5, 2, 0, 0));
    let chats = sim.find_account(BOB).unwrap().chats();
    let received: Vec<_> = chats[0].messages.iter().filter(|message| !message.from_me).collect();
    let texts: Vec<_> = received.iter().map(|message| message.text.as_deref().unwrap()).collect();
    assert_eq!(texts, ["hello 1", "last words", "hello 2", "last words", "hello 3", "last words"]);
    assert!(received.iter().all(|message| message.times == 1 && message.decrypted == Some(true)));
    let orders: Vec<_> = chats[0].messages.iter().map(|message| message.order).collect();
    assert!(orders.is_sorted(), "{orders:?}");
    assert_eq!(sim.find_account(BOB).unwrap().read(None).await, 6);
    let sim = again(sim, &file).await;
    assert_eq!(sim.find_account(BOB).unwrap().read(None).await, 0, "what was read stays read");
}

#[tokio::test]
async fn a_save_on_request_holds_nothing_up_for_good() {
    let file = File::new("save");
    let sim = Sim::start(file.config()).await.unwrap();
    let ann = Companion::link(&sim, "Ann", None).await;
    let mut a = ann.connect(&sim).await;
    assert_eq!(admin(&sim, "POST", "save", "").await.0, 204);
    a.iq("p", "w:p", "get", Vec::new()).await;
    let bob = sim.account(BOB);
    bob.send_text(&ann.paired.pn, "after the save").await.unwrap();
    drop(sim);
    // Killed, as it were: what came after the save is lost, what was before is there.
    let sim = Sim::start(file.config()).await.unwrap();
    assert!(sim.find_account(BOB).is_none());
    ann.connect(&sim).await;

    let other = Sim::start(Config::default()).await.unwrap();
    assert_eq!(admin(&other, "POST", "save", "").await.0, 400);
    std::fs::write(&file.0, "{}").unwrap();
    assert!(Sim::start(file.config()).await.is_err(), "a file that is no state is not overwritten");
}
