//! The offline queue of one companion device.
//!
//! The promise: a message, receipt or notification put in here is delivered in order, and again on
//! every reconnect, until the device's receipt or ack settles it (wire.md 2.4.6 and 2.7). The queue is
//! bounded; past its limits the oldest stanza is dropped and counted, and that is the only way to lose
//! one.
//!
//! A device that comes back announces itself with `<active/>`. What waits is then handed out with an
//! `offline` attribute, at most as many unsettled stanzas at a time as the device has asked for
//! (`<offline_batch count=…/>`) or settled; the end of it is `<ib><offline count=…/></ib>`.
//! Stanzas that arrive meanwhile go to the end of the same line, so order holds.

mod saved;

pub(crate) use saved::SavedMailbox;

use crate::outbox::Outbox;
use crate::stanza;
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::marshal::unmarshal_ref;
use wacore_binary::node::{NodeStr, ValueRef};
use wacore_binary::{CompactString, Jid, Node};

/// Stanzas kept for one device.
pub(crate) const MAX_STANZAS: usize = 200_000;
/// Bytes kept for one device.
pub(crate) const MAX_BYTES: usize = 256 << 20;
/// Handed out before the device asks, so that a client which never asks still gets going.
const FIRST_BATCH: usize = 20;
/// Ceiling for one `<offline_batch count=…/>`.
const MAX_BATCH: usize = 1000;

/// Kinds of stanza that wait to be settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Class {
    Message,
    Receipt,
    Notification,
}

impl Class {
    /// Reads the `class` of an `<ack>`.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "message" => Some(Self::Message),
            "receipt" => Some(Self::Receipt),
            "notification" => Some(Self::Notification),
            _ => None,
        }
    }
}

/// A stanza for the device.
#[derive(Clone)]
pub(crate) struct Item {
    pub(crate) class: Class,
    pub(crate) id: CompactString,
    /// Whom it is from, as stamped on the stanza: acks echo it.
    pub(crate) from: Jid,
    /// The `type` attribute, which tells apart a delivery and a read receipt with one id.
    pub(crate) kind: Option<CompactString>,
    pub(crate) stanza: Bytes,
}

struct Waiting {
    item: Item,
    /// The previous stanza with the same class and id.
    same_before: Option<u64>,
    /// How often it comes again after it was settled.
    again: u32,
}

enum Link {
    Offline,
    /// Logged in, not active yet.
    Passive(Arc<Outbox>),
    Draining {
        outbox: Arc<Outbox>,
        next: u64,
        allowed: usize,
        sent: usize,
    },
    Live(Arc<Outbox>),
}

/// See the module's head.
pub(crate) struct Mailbox {
    link: Link,
    next: u64,
    waiting: BTreeMap<u64, Waiting>,
    latest: HashMap<(Class, CompactString), u64>,
    bytes: usize,
    dropped: u64,
    /// Nobody will ever come for it.
    discards: bool,
}

impl Default for Mailbox {
    fn default() -> Self {
        Self {
            link: Link::Offline,
            next: 0,
            waiting: BTreeMap::new(),
            latest: HashMap::new(),
            bytes: 0,
            dropped: 0,
            discards: false,
        }
    }
}

impl Mailbox {
    /// A connection logged in. Gives the connection it replaces, if there is one.
    pub(crate) fn attach(&mut self, outbox: Arc<Outbox>) -> Option<Arc<Outbox>> {
        match std::mem::replace(&mut self.link, Link::Passive(outbox)) {
            Link::Offline => None,
            Link::Passive(old) | Link::Live(old) | Link::Draining { outbox: old, .. } => Some(old),
        }
    }

    /// A connection ended; one that was replaced meanwhile changes nothing.
    pub(crate) fn detach(&mut self, connection: u64) {
        if self.outbox().is_some_and(|outbox| outbox.id() == connection) {
            self.link = Link::Offline;
        }
    }

    /// The device said `<active/>`: hand out what waits. True when it is live at once.
    pub(crate) fn activate(&mut self) -> bool {
        let Link::Passive(outbox) = &self.link else {
            return false;
        };
        let outbox = Arc::clone(outbox);
        if !self.waiting.is_empty() {
            outbox.push(self.preview());
        }
        self.link = Link::Draining { outbox, next: 0, allowed: FIRST_BATCH, sent: 0 };
        self.pump();
        self.is_live()
    }

    /// The device asked for more of what waits.
    pub(crate) fn more(&mut self, count: usize) {
        if let Link::Draining { allowed, .. } = &mut self.link {
            *allowed += count.min(MAX_BATCH);
        }
        self.pump();
    }

    /// From here on nothing is kept: the device is a pretend one.
    pub(crate) fn discard(&mut self) {
        self.discards = true;
    }

    /// Keeps a stanza until it is settled, and sends it now if the device is live.
    pub(crate) fn push(&mut self, item: Item) {
        self.push_repeating(item, 0);
    }

    /// Like [`push`](Self::push); the stanza comes again `again` times, each time the device has settled it.
    pub(crate) fn push_repeating(&mut self, item: Item, again: u32) {
        if self.discards {
            return;
        }
        if let Link::Live(outbox) = &self.link {
            outbox.push(item.stanza.clone());
        }
        let seq = self.next;
        self.next += 1;
        self.bytes += item.stanza.len();
        let same_before = self.latest.insert((item.class, item.id.clone()), seq);
        self.waiting.insert(seq, Waiting { item, same_before, again });
        while self.waiting.len() > MAX_STANZAS || self.bytes > MAX_BYTES {
            let Some((_, oldest)) = self.waiting.pop_first() else {
                break;
            };
            self.bytes -= oldest.item.stanza.len();
            self.dropped += 1;
        }
        self.pump();
    }

    /// Sends a stanza that is worth nothing later (presence, chat state, acks).
    pub(crate) fn pass(&self, stanza: Bytes) {
        if let Link::Live(outbox) = &self.link {
            outbox.push(stanza);
        }
    }

    /// The device has dealt with a stanza. `from` and `kind` choose among stanzas of one id; when
    /// they match none, all of that id are settled, for clients that echo less than they got.
    pub(crate) fn settle(&mut self, class: Class, id: &str, from: Option<&Jid>, kind: Option<&str>) -> usize {
        let key = (class, CompactString::from(id));
        let Some(latest) = self.latest.get(&key).copied() else {
            return 0;
        };
        let mut chain = Vec::new();
        let mut cursor = Some(latest);
        while let Some(seq) = cursor {
            let Some(waiting) = self.waiting.get(&seq) else {
                break;
            };
            let same = from.is_none_or(|from| waiting.item.from == *from)
                && (class == Class::Message || waiting.item.kind.as_deref() == kind);
            chain.push((seq, same));
            cursor = waiting.same_before;
        }
        if !chain.iter().any(|(_, same)| *same) {
            for (_, same) in &mut chain {
                *same = true;
            }
        }
        self.unlink(key, &chain)
    }

    fn unlink(&mut self, key: (Class, CompactString), chain: &[(u64, bool)]) -> usize {
        let mut kept_after: Option<u64> = None;
        let mut first_kept = None;
        let mut settled = 0;
        let mut repeated = Vec::new();
        for &(seq, settle) in chain {
            if settle {
                if let Some(gone) = self.waiting.remove(&seq) {
                    self.bytes -= gone.item.stanza.len();
                    settled += 1;
                    if gone.again > 0 {
                        repeated.push(gone);
                    }
                }
            } else {
                if let Some(later) = kept_after.and_then(|later| self.waiting.get_mut(&later)) {
                    later.same_before = Some(seq);
                }
                first_kept = first_kept.or(Some(seq));
                kept_after = Some(seq);
            }
        }
        if let Some(last) = kept_after.and_then(|last| self.waiting.get_mut(&last)) {
            last.same_before = None;
        }
        match first_kept {
            Some(seq) => {
                self.latest.insert(key, seq);
            }
            None => {
                self.latest.remove(&key);
            }
        }
        if let Link::Draining { allowed, .. } = &mut self.link {
            *allowed += settled;
        }
        self.pump();
        for Waiting { item, again, .. } in repeated {
            self.push_repeating(item, again - 1);
        }
        settled
    }

    /// Hands out as much as the device may have, and goes live at the end of the line.
    fn pump(&mut self) {
        let Link::Draining { outbox, next, allowed, sent } = &mut self.link else {
            return;
        };
        for (seq, waiting) in self.waiting.range(*next..) {
            if *allowed == 0 {
                return;
            }
            outbox.push(marked_offline(&waiting.item.stanza));
            *next = seq + 1;
            *allowed -= 1;
            *sent += 1;
        }
        outbox.push(stanza::encode(&offline_end(*sent)));
        let outbox = Arc::clone(outbox);
        self.link = Link::Live(outbox);
    }

    fn preview(&self) -> Bytes {
        let count = |class| self.waiting.values().filter(|w| w.item.class == class).count();
        let preview = NodeBuilder::new("offline_preview")
            .attr("count", self.waiting.len())
            .attr("message", count(Class::Message))
            .attr("receipt", count(Class::Receipt))
            .attr("notification", count(Class::Notification))
            .attr("appdata", 0_u32)
            .build();
        stanza::encode(&NodeBuilder::new("ib").attr("from", stanza::server_jid()).children([preview]).build())
    }

    /// The current connection, in whatever state.
    pub(crate) fn outbox(&self) -> Option<&Arc<Outbox>> {
        match &self.link {
            Link::Offline => None,
            Link::Passive(outbox) | Link::Live(outbox) | Link::Draining { outbox, .. } => Some(outbox),
        }
    }

    /// Whether the device has caught up and gets stanzas as they come.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.link, Link::Live(_))
    }

    /// Whether any connection is logged in.
    pub(crate) fn is_connected(&self) -> bool {
        self.outbox().is_some()
    }

    /// Stanzas that wait to be settled.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Stanzas lost to the limits.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }
}

fn offline_end(count: usize) -> Node {
    NodeBuilder::new("ib")
        .attr("from", stanza::server_jid())
        .children([NodeBuilder::new("offline").attr("count", count).build()])
        .build()
}

/// The stanza with the attribute that tells a client it is old.
fn marked_offline(stanza: &Bytes) -> Bytes {
    // Everything in a mailbox was marshalled by this process, behind one flag byte.
    let Ok(mut node) = unmarshal_ref(stanza.get(1..).unwrap_or_default()) else {
        return stanza.clone();
    };
    let mark = (NodeStr::Borrowed("offline"), ValueRef::String(NodeStr::Borrowed("0")));
    node.attrs = node.attrs.iter().cloned().chain([mark]).collect();
    stanza::encode_ref(&node)
}

#[cfg(test)]
mod tests;
