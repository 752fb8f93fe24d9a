use super::*;
use crate::outbox::{Out, Outgoing, outbox};
use tokio_util::sync::CancellationToken;

fn item(class: Class, id: &str, from: &str, kind: Option<&str>) -> Item {
    let node = NodeBuilder::new("message").attr("id", id).attr("from", from).build();
    Item {
        class,
        id: id.into(),
        from: from.parse().unwrap(),
        kind: kind.map(Into::into),
        stanza: stanza::encode(&node),
    }
}

fn message(id: &str) -> Item {
    item(Class::Message, id, "1@s.whatsapp.net", None)
}

/// What the connection was sent since the last look: ids, or the tag of what has none.
fn sent(outgoing: &mut Outgoing) -> Vec<String> {
    let mut seen = Vec::new();
    while let Ok(Out::Stanza(stanza)) = outgoing.queue.try_recv() {
        let node = unmarshal_ref(&stanza[1..]).unwrap();
        let offline = if node.get_attr("offline").is_some() { "*" } else { "" };
        let name = match node.get_attr("id") {
            Some(id) => id.as_str().to_string(),
            None => node.children().unwrap()[0].tag.to_string(),
        };
        seen.push(format!("{name}{offline}"));
    }
    seen
}

fn connect(mailbox: &mut Mailbox) -> Outgoing {
    let (outbox, outgoing) = outbox(CancellationToken::new(), Arc::default());
    mailbox.attach(outbox);
    outgoing
}

#[test]
fn an_unsettled_stanza_comes_again_on_every_reconnect_in_order() {
    let mut mailbox = Mailbox::default();
    for id in ["a", "b"] {
        mailbox.push(message(id));
    }
    for _ in 0..2 {
        let mut outgoing = connect(&mut mailbox);
        mailbox.push(message("late"));
        assert!(sent(&mut outgoing).is_empty(), "nothing before <active/>");
        assert!(mailbox.activate());
        let seen = sent(&mut outgoing);
        assert_eq!(seen.first().map(String::as_str), Some("offline_preview"));
        assert_eq!(&seen[1..4], ["a*", "b*", "late*"]);
        assert_eq!(seen.last().map(String::as_str), Some("offline"));
        mailbox.settle(Class::Message, "late", None, None);
    }
    assert_eq!(mailbox.settle(Class::Message, "a", None, None), 1);
    assert_eq!(mailbox.settle(Class::Message, "a", None, None), 0);
    let mut outgoing = connect(&mut mailbox);
    mailbox.activate();
    assert_eq!(sent(&mut outgoing), ["offline_preview", "b*", "offline"]);
}

#[test]
fn a_live_device_gets_stanzas_unmarked_and_at_once() {
    let mut mailbox = Mailbox::default();
    let mut outgoing = connect(&mut mailbox);
    assert!(mailbox.activate());
    assert_eq!(sent(&mut outgoing), ["offline"]);
    mailbox.push(message("a"));
    assert_eq!(sent(&mut outgoing), ["a"]);
}

#[test]
fn a_backlog_is_handed_out_as_it_is_asked_for_or_settled() {
    let mut mailbox = Mailbox::default();
    for n in 0..FIRST_BATCH + 10 {
        mailbox.push(message(&n.to_string()));
    }
    let mut outgoing = connect(&mut mailbox);
    assert!(!mailbox.activate());
    assert_eq!(sent(&mut outgoing).len(), FIRST_BATCH + 1);
    mailbox.more(3);
    assert_eq!(sent(&mut outgoing).len(), 3);
    mailbox.settle(Class::Message, "0", None, None);
    assert_eq!(sent(&mut outgoing), [format!("{}*", FIRST_BATCH + 3)]);
    mailbox.push(message("new"));
    mailbox.more(500);
    let seen = sent(&mut outgoing);
    assert_eq!(seen[seen.len() - 2..], ["new*", "offline"]);
    assert!(mailbox.is_live());
}

#[test]
fn receipts_of_one_id_are_settled_one_by_one() {
    let mut mailbox = Mailbox::default();
    let (phone, companion) = ("2@s.whatsapp.net", "2:1@s.whatsapp.net");
    mailbox.push(item(Class::Receipt, "m", phone, None));
    mailbox.push(item(Class::Receipt, "m", companion, None));
    mailbox.push(item(Class::Receipt, "m", companion, Some("read")));
    mailbox.push(message("m"));
    let companion: Jid = companion.parse().unwrap();
    assert_eq!(mailbox.settle(Class::Receipt, "m", Some(&companion), None), 1);
    assert_eq!(mailbox.settle(Class::Receipt, "m", Some(&companion), Some("read")), 1);
    assert_eq!(mailbox.len(), 2);
    // A client that echoes neither sender nor type settles what is left of the class.
    assert_eq!(mailbox.settle(Class::Receipt, "m", None, Some("odd")), 1);
    assert_eq!(mailbox.settle(Class::Message, "m", None, None), 1);
    assert_eq!((mailbox.len(), mailbox.bytes, mailbox.latest.len()), (0, 0, 0));
}

#[test]
fn a_connection_that_was_replaced_cannot_detach_its_successor() {
    let mut mailbox = Mailbox::default();
    let (first, _keep) = outbox(CancellationToken::new(), Arc::default());
    let first_id = first.id();
    mailbox.attach(first);
    let (second, _keep) = outbox(CancellationToken::new(), Arc::default());
    assert_eq!(mailbox.attach(second).map(|old| old.id()), Some(first_id));
    mailbox.detach(first_id);
    assert!(mailbox.is_connected());
}
