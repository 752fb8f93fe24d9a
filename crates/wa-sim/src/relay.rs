//! Messages: who gets which ciphertext, under which address. wire.md 2.4.4 and 2.4.5.
//!
//! The promise: when the ack leaves, every device's copy is in its mailbox (or, for phones, handed
//! back to the caller to queue before the ack). Nothing here decrypts, parses JSON or waits.

use crate::account::Account;
use crate::core::{Core, Stats};
use crate::faults::{self, AckPlan, AckSlot, Copied, CopyPlan, Fate, Subject};
use crate::groups;
use crate::mailbox::{Class, Item};
use crate::namespace;
use crate::phone::{EncKind, Incoming, Phone};
use crate::stanza::{self, BadStanza, id_of, jid_attr, str_attr};
use bytes::Bytes;
use std::sync::Arc;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::node::{AttrsRef, NodeStr, ValueRef};
use wacore_binary::{CompactString, Jid, JidRef, Node, NodeContentRef, NodeRef, Server};

/// Attributes of a message that travel on as they are.
const PASSED_ATTRS: [&str; 4] = ["category", "edit", "push_priority", "addressing_mode"];
/// Children that are for the server alone, or handed out per device.
const HELD_BACK: [&str; 5] = ["participants", "enc", "tctoken", "cstoken", "device-identity"];

/// The device a stanza came from.
pub(crate) struct Sender<'a> {
    pub(crate) account: &'a Arc<Account>,
    pub(crate) device: u16,
}

/// What came of a message.
pub(crate) struct Relayed {
    /// The ack for the sender; `None` when it is withheld.
    pub(crate) ack: Option<Ack>,
    /// The error it was refused with.
    pub(crate) refused: Option<u16>,
    /// Copies for phones and pretend companions, to be queued before the ack is sent.
    pub(crate) phones: Vec<(Arc<Phone>, Incoming)>,
}

/// An ack, and when it goes out.
pub(crate) struct Ack {
    pub(crate) node: Node,
    pub(crate) plan: AckPlan,
    /// Where it waits when the plan says so.
    pub(crate) slot: Option<AckSlot>,
}

/// What all copies of one message have in common.
pub(crate) struct Envelope<'n, 'a> {
    pub(crate) node: &'n NodeRef<'a>,
    pub(crate) id: CompactString,
    pub(crate) to: Jid,
    pub(crate) t: u64,
    pub(crate) notify: String,
}

/// Takes a `<message>`.
pub(crate) fn relay(core: &Core, sender: &Sender<'_>, node: &NodeRef<'_>) -> Result<Relayed, BadStanza> {
    let envelope = Envelope {
        node,
        id: id_of(node)?,
        to: jid_attr(node, "to").ok_or_else(|| BadStanza::new(node, "no to"))?,
        t: core.clock.secs(),
        notify: sender.account.push_name(),
    };
    Stats::add(&core.stats.messages);
    let target = core.directory.find(&envelope.to);
    let chat = target.as_ref().map_or(&envelope.to.user, |account| &account.pn);
    let subject = Subject { from: &sender.account.pn, to: chat, chat, id: &envelope.id };
    let plan = match core.faults.on_message(subject) {
        Fate::Nack(error) => return Ok(refused(&envelope, error)),
        Fate::Accept(plan) => plan,
    };
    if target.as_ref().is_some_and(|target| namespace::is_wrong(sender, target, &envelope)) {
        return Ok(refused(&envelope, 400));
    }
    // Before anybody gets a copy: the receipt may be here before the relaying is done.
    let slot = plan.after_receipt.then(|| slot_of(sender, &envelope)).filter(|slot| core.faults.acks().expect(slot));
    let phones = match (envelope.to.server, target) {
        (Server::Group, _) => match groups::fan_out(core, sender, &envelope) {
            Ok(phones) => phones,
            Err(error) => return Ok(refused(&envelope, error)),
        },
        (server, Some(target)) if server.is_pn_family() || server.is_lid_family() => {
            fan_out(core, sender, &target, &envelope)?
        }
        // The number's other form: WhatsApp takes the message and nobody gets it (README, "Numbers").
        (_, None) if core.directory.is_alias(&envelope.to) => Vec::new(),
        (server, None) if server.is_pn_family() || server.is_lid_family() => return Ok(refused(&envelope, 404)),
        // Status updates and channels have no readers here.
        _ => Vec::new(),
    };
    let ack = (!plan.withhold).then(|| Ack { node: ack(&envelope).build(), plan, slot });
    Ok(Relayed { ack, refused: None, phones })
}

fn slot_of(sender: &Sender<'_>, envelope: &Envelope<'_, '_>) -> AckSlot {
    AckSlot { pn: sender.account.pn.clone(), device: sender.device, id: envelope.id.clone() }
}

fn ack(envelope: &Envelope<'_, '_>) -> NodeBuilder {
    NodeBuilder::new("ack")
        .attr("class", "message")
        .attr("id", &*envelope.id)
        .attr("from", &envelope.to)
        .attr("t", envelope.t)
}

fn refused(envelope: &Envelope<'_, '_>, code: u16) -> Relayed {
    let node = ack(envelope).attr("error", u32::from(code)).build();
    let ack = Ack { node, plan: AckPlan::default(), slot: None };
    Relayed { ack: Some(ack), refused: Some(code), phones: Vec::new() }
}

fn fan_out(
    core: &Core,
    sender: &Sender<'_>,
    target: &Arc<Account>,
    envelope: &Envelope<'_, '_>,
) -> Result<Vec<(Arc<Phone>, Incoming)>, BadStanza> {
    let mut phones = Vec::new();
    let mut hand_out = |jid: &Jid, encs: &[NodeRef<'_>]| {
        let account = if target.owns(jid) {
            Some(Arc::clone(target))
        } else if sender.account.owns(jid) {
            Some(Arc::clone(sender.account))
        } else {
            core.directory.find(jid)
        };
        if let Some(account) = account {
            phones.extend(to_device(core, sender, &account, jid.device, envelope, encs));
        }
    };
    let node = envelope.node;
    if let Some(participants) = node.get_optional_child("participants") {
        for entry in participants.get_children_by_tag("to") {
            let jid = jid_attr(entry, "jid").ok_or_else(|| BadStanza::new(entry, "no jid"))?;
            hand_out(&jid, entry.children().unwrap_or_default());
        }
    } else {
        let encs: Vec<NodeRef<'_>> = node.get_children_by_tag("enc").cloned().collect();
        if encs.is_empty() {
            return Err(BadStanza::new(node, "nothing encrypted"));
        }
        hand_out(&envelope.to, &encs);
    }
    Ok(phones)
}

/// One copy for one device of a one-to-one chat.
fn to_device(
    core: &Core,
    sender: &Sender<'_>,
    account: &Arc<Account>,
    device: u16,
    envelope: &Envelope<'_, '_>,
    encs: &[NodeRef<'_>],
) -> Option<(Arc<Phone>, Incoming)> {
    let own = account.pn == sender.account.pn;
    if own && device == sender.device {
        return None;
    }
    let subject = Subject {
        from: &sender.account.pn,
        to: &account.pn,
        chat: if own { &envelope.to.user } else { &account.pn },
        id: &envelope.id,
    };
    let CopyPlan { again, corrupt } = core.faults.on_copy(subject, Copied::Message, device);
    let damaged = corrupt.then(|| faults::damaged(encs));
    let encs = damaged.as_deref().unwrap_or(encs);
    let seen = namespace::seen(sender.account, account, envelope.to.server);
    let from = sender.account.jid(seen).with_device(sender.device);
    let recipient = own.then(|| recipient(envelope, sender)).flatten();
    if let Some(player) = account.player(device) {
        let chat = match &recipient {
            Some(recipient) => {
                core.directory.find(recipient).map_or_else(|| recipient.user.clone(), |account| account.pn.clone())
            }
            None => sender.account.pn.clone(),
        };
        let incoming = Incoming {
            id: envelope.id.clone(),
            from_pn: sender.account.pn.clone(),
            from,
            chat,
            group: None,
            from_me: own,
            t: envelope.t,
            encs: ciphertexts(encs),
            again,
        };
        return Some((player, incoming));
    }
    let device = account.device(device)?;
    let mut attrs = vec![jid_value("from", &from)];
    let alternate = sender.account.jid(if from.is_lid() { Server::Pn } else { Server::Lid });
    if own || !sender.account.namespace().hides_number() {
        attrs.push(jid_value(if from.is_lid() { "sender_pn" } else { "sender_lid" }, &alternate));
    }
    if let Some(recipient) = &recipient {
        attrs.push(jid_value("recipient", recipient));
    }
    let stanza = copy(envelope, attrs, encs);
    let item = Item { class: Class::Message, id: envelope.id.clone(), from: from.clone(), kind: None, stanza };
    device.mailbox().push_repeating(item, again);
    None
}

/// For copies to the sender's own devices: whom the message was for. Peer messages are for nobody.
fn recipient(envelope: &Envelope<'_, '_>, sender: &Sender<'_>) -> Option<Jid> {
    if let Some(named) = jid_attr(envelope.node, "recipient") {
        return Some(named.into_non_ad());
    }
    let peer = envelope.node.get_attr("category").is_some_and(|category| *category == "peer");
    let to_self = sender.account.owns(&envelope.to) && envelope.to.device != 0;
    (!peer && !to_self).then(|| envelope.to.to_non_ad())
}

/// The stanza one device gets: its own ciphertexts, and what was for everybody.
pub(crate) fn copy<'a>(
    envelope: &'a Envelope<'_, '_>,
    mut attrs: Vec<(NodeStr<'a>, ValueRef<'a>)>,
    encs: &'a [NodeRef<'_>],
) -> Bytes {
    let t = envelope.t.to_string();
    attrs.push(str_value("id", &envelope.id));
    let kind = envelope.node.get_attr("type").map(ValueRef::as_str);
    attrs.push((NodeStr::Borrowed("type"), ValueRef::String(NodeStr::Owned(kind.as_deref().unwrap_or("text").into()))));
    attrs.push((NodeStr::Borrowed("t"), ValueRef::String(NodeStr::Owned(t.into()))));
    attrs.push(str_value("notify", &envelope.notify));
    for name in PASSED_ATTRS {
        if let Some(value) = envelope.node.get_attr(name) {
            attrs.push((NodeStr::Borrowed(name), value.clone()));
        }
    }
    let mut children: Vec<NodeRef<'_>> = encs.to_vec();
    let starts_session = encs.iter().any(|enc| enc.get_attr("type").is_some_and(|kind| *kind == "pkmsg"));
    for child in envelope.node.children().unwrap_or_default() {
        let held_back = HELD_BACK.contains(&&*child.tag);
        if !held_back || (starts_session && child.tag == "device-identity") {
            children.push(child.clone());
        }
    }
    stanza::encode_ref(&NodeRef::new(
        NodeStr::Borrowed("message"),
        AttrsRef::from_vec(attrs),
        Some(NodeContentRef::Nodes(children.into_boxed_slice())),
    ))
}

/// The ciphertexts of a phone's copy.
pub(crate) fn ciphertexts(encs: &[NodeRef<'_>]) -> Vec<(EncKind, Bytes)> {
    encs.iter()
        .filter_map(|enc| {
            let kind = EncKind::parse(&str_attr(enc, "type")?)?;
            Some((kind, Bytes::copy_from_slice(enc.content_bytes()?)))
        })
        .collect()
}

/// A JID attribute that borrows.
pub(crate) fn jid_value<'a>(name: &'a str, jid: &'a Jid) -> (NodeStr<'a>, ValueRef<'a>) {
    let jid = JidRef {
        user: NodeStr::Borrowed(&jid.user),
        server: jid.server,
        agent: jid.agent,
        device: jid.device,
        integrator: jid.integrator,
    };
    (NodeStr::Borrowed(name), ValueRef::Jid(jid))
}

fn str_value<'a>(name: &'a str, value: &'a str) -> (NodeStr<'a>, ValueRef<'a>) {
    (NodeStr::Borrowed(name), ValueRef::String(NodeStr::Borrowed(value)))
}
