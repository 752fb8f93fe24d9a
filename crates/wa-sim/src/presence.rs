//! Presence and chat states: passed on as they come, worth nothing to a device that is not there.
//! wire.md 2.4, last bullet.

use crate::account::{Account, Device};
use crate::core::Core;
use crate::namespace;
use crate::stanza::{self, jid_attr};
use std::sync::Arc;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{CompactString, Jid, Node, NodeRef, Server};

/// Subscriptions one account may have.
const MAX_SUBSCRIBERS: usize = 100_000;

/// Takes a `<presence>`.
pub(crate) fn presence(core: &Core, account: &Arc<Account>, device: &Device, node: &NodeRef<'_>) {
    let kind = node.get_attr("type").map(|kind| CompactString::from(kind.as_str()));
    match kind.as_deref() {
        Some("subscribe") => {
            if let Some(target) = jid_attr(node, "to").and_then(|to| core.directory.find(&to)) {
                subscribe(account, device, &target);
            }
        }
        Some("unavailable") => {
            change(core, account, device, false);
        }
        _ => {
            if let Some(name) = node.get_attr("name") {
                account.set_push_name(&name.as_str());
            }
            // Baileys announces a changed name in a presence without a type.
            if kind.as_deref() == Some("available") {
                change(core, account, device, true);
            }
        }
    }
}

/// A connection ended, and with it what it said about being available.
pub(crate) fn gone(core: &Core, account: &Arc<Account>, device: &Device) {
    change(core, account, device, false);
}

fn subscribe(account: &Account, device: &Device, target: &Account) {
    let current = {
        let mut presence = target.presence();
        if presence.subscribers.len() < MAX_SUBSCRIBERS {
            presence.subscribers.insert((account.pn.clone(), device.id));
        }
        node_for(target, !presence.available.is_empty(), presence.last_seen)
    };
    device.mailbox().pass(stanza::encode(&current));
}

fn change(core: &Core, account: &Arc<Account>, device: &Device, available: bool) {
    let (node, subscribers) = {
        let mut presence = account.presence();
        let before = !presence.available.is_empty();
        if available {
            presence.available.insert(device.id);
        } else if presence.available.remove(&device.id) {
            presence.last_seen = Some(core.clock.secs());
        }
        let after = !presence.available.is_empty();
        if before == after || presence.subscribers.is_empty() {
            return;
        }
        let subscribers: Vec<_> = presence.subscribers.iter().cloned().collect();
        (node_for(account, after, presence.last_seen), subscribers)
    };
    let stanza = stanza::encode(&node);
    for (pn, id) in subscribers {
        if let Some(device) = core.directory.by_pn(&pn).and_then(|account| account.device(id)) {
            device.mailbox().pass(stanza.clone());
        }
    }
}

fn node_for(account: &Account, available: bool, last_seen: Option<u64>) -> Node {
    let node = NodeBuilder::new("presence").attr("from", account.jid(Server::Pn));
    if available {
        return node.build();
    }
    let node = node.attr("type", "unavailable");
    match last_seen {
        Some(t) => node.attr("last", t).build(),
        None => node.attr("last", "deny").build(),
    }
}

/// Takes a `<chatstate>`.
pub(crate) fn chatstate(core: &Core, account: &Arc<Account>, device: &Device, node: &NodeRef<'_>) {
    let Some(to) = jid_attr(node, "to") else {
        return;
    };
    let children: Vec<Node> = node.children().unwrap_or_default().iter().map(NodeRef::to_owned).collect();
    if to.server == Server::Group {
        for member in core.groups.members(&to) {
            let from = account.jid(Server::Lid);
            let stanza = stanza::encode(
                &NodeBuilder::new("chatstate")
                    .attr("from", &to)
                    .attr("participant", from)
                    .children(children.clone())
                    .build(),
            );
            if member.pn != account.pn {
                pass_to_all(&member, &stanza);
            }
        }
        return;
    }
    let Some(target) = core.directory.find(&to) else {
        return;
    };
    let from: Jid = account.jid(namespace::seen(account, &target, to.server));
    let stanza = stanza::encode(&NodeBuilder::new("chatstate").attr("from", from).children(children).build());
    if target.pn == account.pn {
        for companion in target.devices().iter().filter(|companion| companion.id != device.id) {
            companion.mailbox().pass(stanza.clone());
        }
    } else {
        pass_to_all(&target, &stanza);
    }
}

fn pass_to_all(account: &Account, stanza: &bytes::Bytes) {
    for companion in account.devices() {
        companion.mailbox().pass(stanza.clone());
    }
}
