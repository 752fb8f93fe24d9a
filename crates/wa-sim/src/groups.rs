//! Groups: create, look up, change membership, and send to. wire.md 2.6.
//!
//! All groups are LID-addressed, as new ones are. What is not here: approval, invites, communities,
//! settings (they get a plain result).

mod saved;

pub(crate) use saved::SavedGroups;

use crate::account::Account;
use crate::core::Core;
use crate::faults::{self, Copied, CopyPlan, Subject};
use crate::mailbox::{Class, Item};
use crate::phone::{Incoming, Phone};
use crate::relay::{self, Envelope, Sender, jid_value};
use crate::session::Session;
use crate::stanza::{self, jid_attr, str_attr};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{CompactString, Jid, Node, NodeRef, Server};

/// WhatsApp's own limit.
const MAX_MEMBERS: usize = 1024;
/// What ids of groups look like today.
const FIRST_ID: u64 = 120_363_000_000_000_000;

#[derive(Clone)]
struct Member {
    account: Arc<Account>,
    role: Option<&'static str>,
}

#[derive(Clone)]
struct Group {
    jid: Jid,
    subject: String,
    subject_t: u64,
    created: u64,
    creator: Arc<Account>,
    members: Vec<Member>,
}

impl Group {
    fn has(&self, account: &Account) -> bool {
        self.members.iter().any(|member| member.account.pn == account.pn)
    }

    fn node(&self) -> Node {
        NodeBuilder::new("group")
            .attr("id", &*self.jid.user)
            .attr("subject", &*self.subject)
            .attr("s_t", self.subject_t)
            .attr("s_o", self.creator.jid(Server::Lid))
            .attr("creation", self.created)
            .attr("creator", self.creator.jid(Server::Lid))
            .attr("creator_pn", self.creator.jid(Server::Pn))
            .attr("addressing_mode", "lid")
            .attr("size", self.members.len())
            .children(self.members.iter().map(participant))
            .build()
    }
}

fn participant(member: &Member) -> Node {
    let mut node = NodeBuilder::new("participant").attr("jid", member.account.jid(Server::Lid));
    if !member.account.namespace().hides_number() {
        node = node.attr("phone_number", member.account.jid(Server::Pn));
    }
    match member.role {
        Some(role) => node.attr("type", role).build(),
        None => node.build(),
    }
}

/// The groups that exist.
#[derive(Default)]
pub(crate) struct Groups {
    groups: RwLock<HashMap<CompactString, Group>>,
    count: AtomicU64,
}

impl Groups {
    fn get(&self, jid: &Jid) -> Option<Group> {
        self.groups.read().unwrap_or_else(PoisonError::into_inner).get(&jid.user).cloned()
    }

    /// The address of the group whose id a phone's chat carries.
    pub(crate) fn jid_of(&self, chat: &str) -> Option<Jid> {
        self.groups.read().unwrap_or_else(PoisonError::into_inner).get(chat).map(|group| group.jid.clone())
    }

    /// The members of a group; none when it does not exist.
    pub(crate) fn members(&self, group: &Jid) -> Vec<Arc<Account>> {
        let members = self.get(group).map(|group| group.members).unwrap_or_default();
        members.into_iter().map(|member| member.account).collect()
    }

    fn of(&self, account: &Account) -> Vec<Group> {
        let groups = self.groups.read().unwrap_or_else(PoisonError::into_inner);
        let mut mine: Vec<Group> = groups.values().filter(|group| group.has(account)).cloned().collect();
        mine.sort_by(|a, b| a.jid.user.cmp(&b.jid.user));
        mine
    }

    fn change<T>(&self, jid: &Jid, change: impl FnOnce(&mut Group) -> T) -> Option<T> {
        self.groups.write().unwrap_or_else(PoisonError::into_inner).get_mut(&jid.user).map(change)
    }

    fn create(&self, core: &Core, creator: &Arc<Account>, subject: String, others: Vec<Arc<Account>>) -> Group {
        let id = FIRST_ID + self.count.fetch_add(1, Ordering::Relaxed);
        let mut members = vec![Member { account: Arc::clone(creator), role: Some("superadmin") }];
        for account in others.into_iter().take(MAX_MEMBERS - 1) {
            if !members.iter().any(|member| member.account.pn == account.pn) {
                members.push(Member { account, role: None });
            }
        }
        let now = core.clock.secs();
        let group = Group {
            jid: Jid::group(id.to_string()),
            subject,
            subject_t: now,
            created: now,
            creator: Arc::clone(creator),
            members,
        };
        self.groups.write().unwrap_or_else(PoisonError::into_inner).insert(group.jid.user.clone(), group.clone());
        group
    }
}

/// Answers an iq of namespace `w:g2`.
pub(crate) fn answer(core: &Core, session: &Session, iq: &NodeRef<'_>, id: &str) -> Node {
    let to = jid_attr(iq, "to").unwrap_or_default();
    let account = &session.account;
    if iq.get_optional_child("participating").is_some() {
        let groups = core.groups.of(account).iter().map(Group::node).collect::<Vec<_>>();
        return stanza::iq_result(id, vec![NodeBuilder::new("groups").children(groups).build()]);
    }
    if let Some(create) = iq.get_optional_child("create") {
        let subject = str_attr(create, "subject").unwrap_or_default();
        let group = core.groups.create(core, account, subject.to_string(), named(core, create));
        let news = NodeBuilder::new("create").attr("type", "new").children([group.node()]).build();
        tell(core, &group, session, news);
        return stanza::iq_result(id, vec![group.node()]);
    }
    if let Some(leave) = iq.get_optional_child("leave") {
        let groups = leave.get_children_by_tag("group");
        for jid in groups.filter_map(|group| jid_attr(group, "id")) {
            membership(core, session, &jid, "remove", std::slice::from_ref(account));
        }
        return stanza::iq_result(id, Vec::new());
    }
    let Some(group) = core.groups.get(&to) else {
        return stanza::iq_error(id, 404, "item-not-found");
    };
    if !group.has(account) {
        return stanza::iq_error(id, 403, "forbidden");
    }
    if iq.get_optional_child("query").is_some() {
        return stanza::iq_result(id, vec![group.node()]);
    }
    for action in ["add", "remove", "promote", "demote"] {
        if let Some(change) = iq.get_optional_child(action) {
            let done = membership(core, session, &to, action, &named(core, change));
            return stanza::iq_result(id, vec![done]);
        }
    }
    if let Some(subject) = iq.get_optional_child("subject").and_then(NodeRef::content_as_string) {
        let t = core.clock.secs();
        core.groups.change(&to, |group| {
            group.subject = subject.to_string();
            group.subject_t = t;
        });
        let news = NodeBuilder::new("subject").attr("subject", subject).attr("s_t", t).build();
        tell(core, &group, session, news);
    }
    stanza::iq_result(id, Vec::new())
}

/// The accounts of the `<participant>` children; people who do not exist are left out.
fn named(core: &Core, node: &NodeRef<'_>) -> Vec<Arc<Account>> {
    node.get_children_by_tag("participant")
        .filter_map(|participant| core.directory.find(&jid_attr(participant, "jid")?))
        .collect()
}

/// Changes who is in a group or what they may; tells everyone who was or is in it.
fn membership(core: &Core, session: &Session, jid: &Jid, action: &'static str, whom: &[Arc<Account>]) -> Node {
    let before = core.groups.get(jid);
    core.groups.change(jid, |group| match action {
        "add" => {
            for account in whom {
                if !group.has(account) && group.members.len() < MAX_MEMBERS {
                    group.members.push(Member { account: Arc::clone(account), role: None });
                }
            }
        }
        "remove" => group.members.retain(|member| !whom.iter().any(|gone| gone.pn == member.account.pn)),
        _ => {
            for member in &mut group.members {
                if whom.iter().any(|account| account.pn == member.account.pn) {
                    member.role = (action == "promote").then_some("admin");
                }
            }
        }
    });
    let people = whom.iter().map(|account| participant(&Member { account: Arc::clone(account), role: None }));
    let done = NodeBuilder::new(action).children(people).build();
    // Who was removed hears of it by the old list, who was added by the new one.
    let audience = if action == "remove" { before } else { core.groups.get(jid) };
    if let Some(group) = audience {
        tell(core, &group, session, done.clone());
    }
    done
}

/// `<notification type=w:gp2>` to every companion of every member but the one that acted.
fn tell(core: &Core, group: &Group, actor: &Session, news: Node) {
    let id = core.stanza_id();
    let node = NodeBuilder::new("notification")
        .attr("from", &group.jid)
        .attr("type", "w:gp2")
        .attr("id", &*id)
        .attr("participant", actor.account.jid(Server::Lid))
        .attr("participant_pn", actor.account.jid(Server::Pn))
        .attr("addressing_mode", "lid")
        .attr("t", core.clock.secs())
        .attr("notify", actor.account.push_name())
        .children([news])
        .build();
    let bytes = stanza::encode(&node);
    for member in &group.members {
        for device in member.account.devices() {
            if member.account.pn == actor.account.pn && device.id == actor.device.id {
                continue;
            }
            device.mailbox().push(Item {
                class: Class::Notification,
                id: CompactString::from(&*id),
                from: group.jid.clone(),
                kind: Some("w:gp2".into()),
                stanza: bytes.clone(),
            });
        }
    }
}

/// Hands a group message to every device of every member: its own ciphertext (the sender's key), if
/// there is one, and the one for all. A `participant` on the message makes it a retry for one device.
pub(crate) fn fan_out(
    core: &Core,
    sender: &Sender<'_>,
    envelope: &Envelope<'_, '_>,
) -> Result<Vec<(Arc<Phone>, Incoming)>, u16> {
    let group = core.groups.get(&envelope.to).ok_or(404_u16)?;
    if !group.has(sender.account) {
        return Err(403);
    }
    let only = jid_attr(envelope.node, "participant");
    let keys: Vec<(Jid, &[NodeRef<'_>])> = envelope
        .node
        .get_optional_child("participants")
        .and_then(NodeRef::children)
        .unwrap_or_default()
        .iter()
        .filter_map(|to| Some((jid_attr(to, "jid")?, to.children()?)))
        .collect();
    let common: Vec<NodeRef<'_>> = envelope.node.get_children_by_tag("enc").cloned().collect();
    let mut phones = Vec::new();
    for Member { account, .. } in &group.members {
        for device in std::iter::once(0).chain(account.devices().iter().map(|device| device.id)) {
            let own = account.pn == sender.account.pn;
            let wanted = only.as_ref().is_none_or(|only| account.owns(only) && only.device == device);
            if !wanted || (own && device == sender.device) {
                continue;
            }
            let mut encs: Vec<NodeRef<'_>> = keys
                .iter()
                .filter(|(jid, _)| account.owns(jid) && jid.device == device)
                .flat_map(|(_, encs)| encs.iter().cloned())
                .collect();
            encs.extend(common.iter().cloned());
            phones.extend(to_member(core, sender, account, device, envelope, &encs));
        }
    }
    Ok(phones)
}

fn to_member(
    core: &Core,
    sender: &Sender<'_>,
    account: &Arc<Account>,
    device: u16,
    envelope: &Envelope<'_, '_>,
    encs: &[NodeRef<'_>],
) -> Option<(Arc<Phone>, Incoming)> {
    let from = sender.account.jid(Server::Lid).with_device(sender.device);
    let subject = Subject { from: &sender.account.pn, to: &account.pn, chat: &envelope.to.user, id: &envelope.id };
    let CopyPlan { again, corrupt } = core.faults.on_copy(subject, Copied::Message, device);
    let damaged = corrupt.then(|| faults::damaged(encs));
    let encs = damaged.as_deref().unwrap_or(encs);
    if let Some(player) = account.player(device) {
        let incoming = Incoming {
            id: envelope.id.clone(),
            from_pn: sender.account.pn.clone(),
            from,
            chat: envelope.to.user.clone(),
            group: Some(envelope.to.clone()),
            from_me: account.pn == sender.account.pn,
            t: envelope.t,
            encs: relay::ciphertexts(encs),
            again,
        };
        return Some((player, incoming));
    }
    let number = sender.account.jid(Server::Pn);
    let mut attrs = vec![jid_value("from", &envelope.to), jid_value("participant", &from)];
    if !sender.account.namespace().hides_number() {
        attrs.push(jid_value("participant_pn", &number));
    }
    let stanza = relay::copy(envelope, attrs, encs);
    let item = Item { class: Class::Message, id: envelope.id.clone(), from: envelope.to.clone(), kind: None, stanza };
    account.device(device)?.mailbox().push_repeating(item, again);
    None
}
