//! `usync` queries: devices, LIDs, and who is on WhatsApp. wire.md 2.4.1 and 2.4.2.
//!
//! Users are asked for by JID, or by phone number in `<contact>`. Protocols that wa-sim knows nothing
//! about (business, status, picture …) are left out of the answer, which every client reads as "none".

use crate::account::{Account, Device};
use crate::core::{Core, Stats};
use crate::stanza::{self, jid_attr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{CompactString, Jid, Node, NodeRef, Server};

/// Answers an iq of namespace `usync`.
pub(crate) fn answer(core: &Core, asker: &Account, device: &Device, iq: &NodeRef<'_>, id: &str) -> Node {
    let Some(usync) = iq.get_optional_child("usync") else {
        return stanza::iq_error(id, 400, "bad-request");
    };
    let protocols: Vec<&str> = usync
        .get_optional_child("query")
        .and_then(NodeRef::children)
        .unwrap_or_default()
        .iter()
        .map(|protocol| &*protocol.tag)
        .collect();
    let people: Vec<Asked> = usync
        .get_optional_child("list")
        .and_then(NodeRef::children)
        .unwrap_or_default()
        .iter()
        .filter_map(|user| read_user(core, user))
        .collect();
    if protocols.contains(&"contact")
        && let Some(refusal) = look_up(core, asker, &people, id)
    {
        return refusal;
    }
    let users: Vec<Node> = people.iter().map(|who| answer_user((asker, device), &protocols, who)).collect();
    let mut answer = NodeBuilder::new("usync");
    for key in ["sid", "index", "last", "mode", "context"] {
        if let Some(value) = usync.get_attr(key) {
            answer = answer.attr(key, value.to_node_value());
        }
    }
    let answer =
        answer.children([NodeBuilder::new("result").build(), NodeBuilder::new("list").children(users).build()]).build();
    stanza::iq_result(id, vec![answer])
}

/// The account asked about, and the address the answer goes under.
struct Asked {
    jid: Jid,
    account: Option<Arc<Account>>,
    /// As typed, for the `<contact>` that is echoed.
    phone: Option<String>,
}

impl Asked {
    /// The number that was asked for, in the form it was asked for.
    fn number(&self) -> CompactString {
        self.phone.as_ref().map_or_else(|| self.jid.user.clone(), |phone| phone.trim_start_matches('+').into())
    }
}

/// Counts a question who is on WhatsApp; gives the error it is answered with if a fault says so.
fn look_up(core: &Core, asker: &Account, people: &[Asked], id: &str) -> Option<Node> {
    Stats::add(&core.stats.lookups);
    core.stats.numbers_looked_up.fetch_add(people.len() as u64, Ordering::Relaxed);
    if !core.faults.any() {
        return None;
    }
    let numbers: Vec<CompactString> = people.iter().map(Asked::number).collect();
    let (error, backoff) = core.faults.on_lookup(&asker.pn, &numbers)?;
    let text = if error == 429 { "rate-overlimit" } else { "internal-server-error" };
    let mut error = stanza::error(error, text);
    if let Some(backoff) = backoff {
        error.attrs.insert("type", "wait");
        error.attrs.insert("backoff", backoff);
    }
    let iq = NodeBuilder::new("iq").attr("from", stanza::server_jid()).attr("id", id).attr("type", "error");
    Some(iq.children([error]).build())
}

fn read_user(core: &Core, user: &NodeRef<'_>) -> Option<Asked> {
    let phone = user.get_optional_child("contact").and_then(NodeRef::content_as_string).map(|phone| phone.to_string());
    if let Some(jid) = jid_attr(user, "jid").filter(|jid| !jid.user.is_empty()) {
        let account = core.directory.find(&jid);
        return Some(Asked { jid: jid.into_non_ad(), account, phone });
    }
    // A number that is known in another form is answered under the form it is known by.
    let number = phone.as_deref()?.trim_start_matches('+');
    let account = core.directory.look_up(number);
    let jid = account.as_ref().map_or_else(|| Jid::pn(number), |account| account.jid(Server::Pn));
    Some(Asked { jid, account, phone })
}

fn answer_user(asker: (&Account, &Device), protocols: &[&str], who: &Asked) -> Node {
    let mut children = Vec::new();
    for protocol in protocols {
        match *protocol {
            "contact" => children.push(contact(who)),
            "devices" => {
                if let Some(account) = &who.account {
                    account.watch(asker.0, asker.1.id);
                }
                children.push(devices(who.account.as_deref()));
            }
            // Only a number can be asked for its LID; the other way round clients take the answer
            // for a mapping of the LID to itself.
            "lid" if who.jid.is_pn() => {
                if let Some(account) = &who.account {
                    let lid = Jid::lid(account.lid.clone());
                    children.push(NodeBuilder::new("lid").attr("val", lid).build());
                }
            }
            _ => {}
        }
    }
    let mut node = NodeBuilder::new("user").attr("jid", &who.jid);
    if let (true, Some(account)) = (who.jid.is_lid(), &who.account)
        && !account.namespace().hides_number()
    {
        node = node.attr("pn_jid", Jid::pn(account.pn.clone()));
    }
    node.children(children).build()
}

fn contact(asked: &Asked) -> Node {
    let kind = if asked.account.is_some() { "in" } else { "out" };
    let node = NodeBuilder::new("contact").attr("type", kind);
    match &asked.phone {
        Some(phone) => node.string_content(phone.as_str()).build(),
        None => node.build(),
    }
}

fn devices(account: Option<&Account>) -> Node {
    let Some(account) = account else {
        return NodeBuilder::new("devices").children([NodeBuilder::new("device-list").build()]).build();
    };
    let linked = account.devices();
    let mut list = vec![NodeBuilder::new("device").attr("id", 0_u32).build()];
    list.extend(linked.iter().map(|device| {
        NodeBuilder::new("device").attr("id", u32::from(device.id)).attr("key-index", device.key_index).build()
    }));
    let mut children = vec![NodeBuilder::new("device-list").children(list).build()];
    if !linked.is_empty()
        && let Ok((ts, list)) = account.key_index_list()
    {
        children.push(NodeBuilder::new("key-index-list").attr("ts", ts).bytes(list).build());
    }
    NodeBuilder::new("devices").children(children).build()
}
