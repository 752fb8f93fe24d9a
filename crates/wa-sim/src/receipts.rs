//! Receipts: settled in the receiver's mailbox, acked, and passed to the devices they concern.
//! wire.md 2.4.6 and 2.8.

use crate::account::{Account, Device};
use crate::core::{Core, Stats};
use crate::faults::{AckSlot, Copied, HeldAcks, ReceiptForm, Subject};
use crate::mailbox::{Class, Item};
use crate::namespace;
use crate::phone::{Incoming, Job, Phone, RetryRequest};
use crate::prekeys::{self, Bundle};
use crate::stanza::{self, BadStanza, blob, id_of, jid_attr, str_attr};
use std::sync::Arc;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{CompactString, Jid, Node, NodeRef, Server};

/// A receipt on its way.
struct Receipt {
    ids: Vec<CompactString>,
    kind: Option<CompactString>,
    to: Jid,
    participant: Option<Jid>,
    recipient: Option<Jid>,
    /// Contents of a retry receipt.
    extra: Vec<Node>,
    /// The address it is to come from, if not the one it was asked for under.
    form: Option<ReceiptForm>,
}

impl Receipt {
    fn is_retry(&self) -> bool {
        self.kind.as_deref() == Some("retry")
    }

    /// Read and played receipts are about an account; the others about one device.
    fn is_account_wide(&self) -> bool {
        matches!(self.kind.as_deref(), Some("read" | "played"))
    }
}

/// Takes a companion's `<receipt>`; gives the ack.
pub(crate) fn take(
    core: &Core,
    account: &Arc<Account>,
    device: &Device,
    node: &NodeRef<'_>,
) -> Result<Node, BadStanza> {
    let id = id_of(node)?;
    let kind = str_attr(node, "type");
    let mut ids = vec![id.clone()];
    if let Some(list) = node.get_optional_child("list") {
        ids.extend(list.get_children_by_tag("item").filter_map(|item| str_attr(item, "id")));
    }
    {
        let mut mailbox = device.mailbox();
        for id in &ids {
            mailbox.settle(Class::Message, id, None, None);
        }
    }
    let to = jid_attr(node, "to");
    let mut ack = NodeBuilder::new("ack").attr("class", "receipt").attr("id", &*id);
    if let Some(to) = &to {
        ack = ack.attr("from", to);
    }
    if let Some(kind) = &kind {
        ack = ack.attr("type", &**kind);
    }
    if let Some(to) = to {
        let retry = kind.as_deref() == Some("retry");
        if retry && let Some(request) = retry_of_phone(core, account, device, node, &to) {
            request.0.phone().try_post(Job::Retry(request.1));
        }
        let receipt = Receipt {
            ids,
            kind,
            to,
            participant: jid_attr(node, "participant"),
            recipient: jid_attr(node, "recipient"),
            extra: if retry {
                node.children().unwrap_or_default().iter().map(NodeRef::to_owned).collect()
            } else {
                Vec::new()
            },
            form: None,
        };
        forward(core, account, device.id, &receipt);
    }
    Ok(ack.build())
}

/// A retry receipt that is for a phone, which answers it itself.
fn retry_of_phone(
    core: &Core,
    account: &Account,
    device: &Device,
    node: &NodeRef<'_>,
    to: &Jid,
) -> Option<(Arc<Account>, RetryRequest)> {
    if to.device != 0 {
        return None;
    }
    let target = core.directory.find(to)?;
    let retry = node.get_optional_child("retry")?;
    let count = str_attr(retry, "count").and_then(|count| count.parse().ok()).unwrap_or(1);
    let request = RetryRequest {
        id: str_attr(node, "id")?,
        from_pn: account.pn.clone(),
        device: device.id,
        count,
        bundle: prekeys::bundle_of_retry(node),
    };
    Some((target, request))
}

/// A receipt as its receivers get it, ready to go.
pub(crate) struct Delivery {
    /// The companions' copies, and how often each comes again after it was settled.
    companions: Vec<(Arc<Device>, Item, u32)>,
    phones: Vec<PhoneNews>,
    /// The message whose ack may wait for this receipt.
    awaited: Option<AckSlot>,
    /// How often it is delivered.
    times: u32,
}

/// What a phone is told of a receipt.
struct PhoneNews {
    phone: Arc<Phone>,
    ids: Vec<CompactString>,
    from: Jid,
    kind: Option<CompactString>,
}

impl Delivery {
    /// Hands it out, and then any ack that waited for it.
    pub(crate) fn go(self, acks: &HeldAcks) {
        for _ in 0..self.times {
            for (device, item, again) in &self.companions {
                device.mailbox().push_repeating(item.clone(), *again);
            }
            // A phone's book of receipts is a convenience; a phone that is behind misses some.
            for PhoneNews { phone, ids, from, kind } in &self.phones {
                let job = Job::Receipt { ids: ids.clone(), from: from.clone(), kind: kind.clone() };
                phone.try_post(job);
            }
        }
        if let Some(slot) = &self.awaited {
            acks.receipted(slot);
        }
    }
}

/// Passes a receipt to the devices it concerns, as the faults say.
fn forward(core: &Core, from: &Arc<Account>, device: u16, receipt: &Receipt) {
    Stats::add(&core.stats.receipts);
    let group = receipt.to.server == Server::Group;
    let Some(addressed) = (if group { receipt.participant.as_ref() } else { Some(&receipt.to) }) else {
        return;
    };
    let (Some(target), Some(id)) = (core.directory.find(addressed), receipt.ids.first()) else {
        return;
    };
    let kind = receipt.kind.as_deref();
    let chat = if group { &receipt.to.user } else { &target.pn };
    let subject = Subject { from: &from.pn, to: &target.pn, chat, id };
    let Some(plan) = core.faults.on_receipt(subject, kind) else {
        prepare(core, (from, device), (&target, addressed), receipt, receipt.form).go(core.faults.acks());
        return;
    };
    if plan.drop {
        return;
    }
    let mut delivery = prepare(core, (from, device), (&target, addressed), receipt, plan.form.or(receipt.form));
    delivery.times += plan.repeats;
    for (companion, _, again) in &mut delivery.companions {
        *again = core.faults.on_copy(subject, Copied::Receipt, companion.id).again;
    }
    if from.pn != target.pn && !receipt.is_retry() {
        delivery.awaited = Some(AckSlot { pn: target.pn.clone(), device: addressed.device, id: id.clone() });
    }
    if let Some(delay) = plan.delay {
        let core = core.handle();
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            if let Some(core) = core.upgrade() {
                delivery.go(core.faults.acks());
            }
        });
    } else if let Some(delivery) = core.faults.shuffle(subject, kind, delivery) {
        delivery.go(core.faults.acks());
    }
}

/// Addresses a receipt to its receivers.
fn prepare(
    core: &Core,
    (from, device): (&Arc<Account>, u16),
    (target, addressed): (&Arc<Account>, &Jid),
    receipt: &Receipt,
    form: Option<ReceiptForm>,
) -> Delivery {
    let group = receipt.to.server == Server::Group;
    let seen = if group { addressed.server } else { namespace::seen(from, target, addressed.server) };
    let sender = sender_of(receipt, from, device, seen, form);
    let stamped = if group { &receipt.to } else { &sender };
    let bytes = stanza::encode(&stanza_for(core, receipt, stamped, group.then_some(&sender)));
    let copy = |companion: Arc<Device>| {
        let item = Item {
            class: Class::Receipt,
            id: receipt.ids.first().cloned().unwrap_or_default(),
            from: stamped.clone(),
            kind: receipt.kind.clone(),
            stanza: bytes.clone(),
        };
        (companion, item, 0)
    };
    let is_sender = |companion: &Arc<Device>| target.pn == from.pn && companion.id == device;
    let mut devices = if receipt.is_account_wide() {
        target.devices()
    } else {
        target.device(addressed.device).into_iter().collect()
    };
    devices.retain(|companion| !is_sender(companion));
    let to_phone = receipt.is_account_wide() || addressed.device == 0;
    let players = to_phone
        .then(|| Arc::clone(target.phone()))
        .into_iter()
        .chain(devices.iter().filter_map(|companion| companion.player.clone()));
    let news = |phone| PhoneNews { phone, ids: receipt.ids.clone(), from: sender.clone(), kind: receipt.kind.clone() };
    let phones = players.map(news).collect();
    let companions = devices.into_iter().filter(|companion| companion.player.is_none()).map(copy).collect();
    Delivery { companions, phones, awaited: None, times: 1 }
}

/// The address a receipt comes from.
fn sender_of(receipt: &Receipt, from: &Account, device: u16, server: Server, form: Option<ReceiptForm>) -> Jid {
    let plain = |server: Server| {
        let jid = from.jid(server);
        if receipt.is_account_wide() { jid } else { jid.with_device(device) }
    };
    match form {
        None => plain(server),
        Some(ReceiptForm::Pn) => plain(Server::Pn),
        Some(ReceiptForm::Lid) => plain(Server::Lid),
        Some(ReceiptForm::Companion) => {
            let companion = from.devices().first().map_or(1, |companion| companion.id);
            from.jid(server).with_device(companion)
        }
    }
}

fn stanza_for(core: &Core, receipt: &Receipt, from: &Jid, participant: Option<&Jid>) -> Node {
    let mut node = NodeBuilder::new("receipt")
        .attr("from", from)
        .attr("id", receipt.ids.first().map(CompactString::as_str).unwrap_or_default())
        .attr("t", core.clock.secs());
    if let Some(kind) = &receipt.kind {
        node = node.attr("type", &**kind);
    }
    if let Some(participant) = participant {
        node = node.attr("participant", participant);
    }
    if let Some(recipient) = &receipt.recipient {
        node = node.attr("recipient", recipient);
    }
    if receipt.is_retry() {
        return node.children(receipt.extra.clone()).build();
    }
    if receipt.ids.len() > 1 {
        let items = receipt.ids[1..].iter().map(|id| NodeBuilder::new("item").attr("id", &**id).build());
        return node.children([NodeBuilder::new("list").children(items).build()]).build();
    }
    node.build()
}

/// The delivery receipt of a phone.
pub(crate) fn delivered_to_phone(core: &Core, account: &Arc<Account>, phone: &Phone, incoming: &Incoming) {
    forward(core, account, phone.device(), &about(incoming, None, Vec::new(), None));
}

/// The retry receipt of a phone that could not read a message.
pub(crate) fn retry_by_phone(
    core: &Core,
    (account, phone): (&Arc<Account>, &Phone),
    incoming: &Incoming,
    count: u32,
    bundle: Option<&Bundle>,
    form: Option<ReceiptForm>,
) {
    let retry = NodeBuilder::new("retry")
        .attr("v", "1")
        .attr("id", &*incoming.id)
        .attr("t", incoming.t)
        .attr("count", count)
        .build();
    let mut extra = vec![retry, blob("registration", phone.keys().registration().to_be_bytes())];
    extra.extend(bundle.map(prekeys::retry_keys_node));
    if incoming.from.device == 0
        && let Some(sender) = core.directory.find(&incoming.from)
    {
        let (from_pn, device, bundle) = (account.pn.clone(), phone.device(), bundle.cloned());
        let request = RetryRequest { id: incoming.id.clone(), from_pn, device, count, bundle };
        sender.phone().try_post(Job::Retry(request));
    }
    forward(core, account, phone.device(), &about(incoming, Some("retry"), extra, form));
}

fn about(incoming: &Incoming, kind: Option<&str>, extra: Vec<Node>, form: Option<ReceiptForm>) -> Receipt {
    let (to, participant) = match &incoming.group {
        Some(group) => (group.clone(), Some(incoming.from.clone())),
        None => (incoming.from.clone(), None),
    };
    Receipt {
        ids: vec![incoming.id.clone()],
        kind: kind.map(Into::into),
        to,
        participant,
        recipient: None,
        extra,
        form,
    }
}

/// Read receipts of a phone for messages of one sender in one chat.
pub(crate) fn read_by_phone(core: &Core, account: &Arc<Account>, chat: &str, from: &Jid, ids: Vec<CompactString>) {
    let group = core.groups.jid_of(chat);
    let receipt = Receipt {
        ids,
        kind: Some("read".into()),
        participant: group.is_some().then(|| from.clone()),
        to: group.unwrap_or_else(|| from.to_non_ad()),
        recipient: None,
        extra: Vec::new(),
        form: None,
    };
    forward(core, account, 0, &receipt);
}
