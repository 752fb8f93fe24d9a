//! What a phone was shown: the book that tests read.
//!
//! Every message is one entry per chat and id, with how often it arrived readable, how often
//! unreadable, and where in the order of first showing it stands. The book is bounded: past
//! [`MAX_ENTRIES`] only totals grow, past [`MAX_TEXT`] texts are no longer kept.

use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use wacore_binary::{CompactString, Jid};

/// Entries kept per phone.
const MAX_ENTRIES: usize = 500_000;
/// Bytes of text kept per phone.
const MAX_TEXT: usize = 64 << 20;
/// Receipts kept per phone.
const MAX_RECEIPTS: usize = 50_000;

/// One message as the phone shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// The message's id.
    pub id: String,
    /// Device that sent it, as addressed on the wire.
    pub from: String,
    /// Sent by a companion of the phone's own account.
    pub from_me: bool,
    /// Position among everything this phone was shown, from 0.
    pub order: u64,
    /// How often it arrived and could be shown. More than 1 means a duplicate on the wire.
    pub times: u32,
    /// How often it arrived and could not be decrypted.
    pub failed: u32,
    /// Whether it could be decrypted in the end; absent when phones only count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decrypted: Option<bool>,
    /// `text`, or the kind of content; absent while unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The text, of text messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Seconds since the epoch.
    pub t: u64,
    #[serde(skip)]
    read: bool,
    #[serde(skip)]
    sender: Jid,
}

/// A chat with what was shown in it, oldest first.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChatView {
    /// Number of the other side, or the group's id.
    pub chat: String,
    /// The messages.
    pub messages: Vec<Shown>,
    #[serde(skip)]
    index: HashMap<(CompactString, bool), usize>,
}

/// A receipt the phone was told about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SeenReceipt {
    /// The message it is for.
    pub id: String,
    /// The device that sent it.
    pub from: String,
    /// `delivery` when the stanza has no type.
    #[serde(rename = "type")]
    pub kind: String,
}

/// Totals over everything, also over what is no longer kept in detail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Messages from others that were shown.
    pub received: u64,
    /// Copies of what companions of the account sent.
    pub sent: u64,
    /// Arrivals of an id that had been shown already.
    pub repeated: u64,
    /// Arrivals that could not be decrypted.
    pub undecryptable: u64,
    /// Key requests and the like, never shown.
    pub peer: u64,
    /// Receipts.
    pub receipts: u64,
}

/// How a message arrived.
pub(crate) enum Arrival {
    /// Counted without looking.
    Unopened,
    Readable {
        kind: String,
        text: Option<String>,
    },
    Unreadable,
}

/// See the module's head.
#[derive(Default)]
pub(crate) struct View {
    chats: BTreeMap<CompactString, ChatView>,
    receipts: Vec<SeenReceipt>,
    totals: Totals,
    entries: usize,
    text: usize,
    order: u64,
}

impl View {
    pub(crate) fn record(&mut self, incoming: &super::Incoming, arrival: Arrival) {
        let chat = self
            .chats
            .entry(incoming.chat.clone())
            .or_insert_with(|| ChatView { chat: incoming.chat.to_string(), ..ChatView::default() });
        let key = (incoming.id.clone(), incoming.from_me);
        let known = chat.index.get(&key).copied();
        let before = known.map_or(0, |at| chat.messages[at].times);
        match arrival {
            Arrival::Unreadable => self.totals.undecryptable += 1,
            _ if before > 0 => self.totals.repeated += 1,
            _ if incoming.from_me => self.totals.sent += 1,
            _ => self.totals.received += 1,
        }
        let at = match known {
            Some(at) => at,
            None if self.entries >= MAX_ENTRIES => return,
            None => {
                self.entries += 1;
                chat.index.insert(key, chat.messages.len());
                chat.messages.push(Shown {
                    id: incoming.id.to_string(),
                    from: incoming.from.to_string(),
                    from_me: incoming.from_me,
                    order: self.order,
                    times: 0,
                    failed: 0,
                    decrypted: None,
                    kind: None,
                    text: None,
                    t: incoming.t,
                    read: false,
                    sender: incoming.from.clone(),
                });
                chat.messages.len() - 1
            }
        };
        let shown = &mut chat.messages[at];
        match arrival {
            Arrival::Unreadable => {
                shown.failed += 1;
                shown.decrypted.get_or_insert(false);
                return;
            }
            Arrival::Unopened => {}
            Arrival::Readable { kind, text } => {
                shown.decrypted = Some(true);
                shown.kind = Some(kind);
                let size = text.as_ref().map_or(0, String::len);
                if shown.text.is_none() && self.text + size <= MAX_TEXT {
                    self.text += size;
                    shown.text = text;
                }
            }
        }
        if shown.times == 0 {
            shown.order = self.order;
            self.order += 1;
        }
        shown.times += 1;
    }

    pub(crate) fn record_peer(&mut self) {
        self.totals.peer += 1;
    }

    pub(crate) fn record_receipt(&mut self, ids: &[CompactString], from: &Jid, kind: Option<&str>) {
        for id in ids {
            self.totals.receipts += 1;
            if self.receipts.len() < MAX_RECEIPTS {
                self.receipts.push(SeenReceipt {
                    id: id.to_string(),
                    from: from.to_string(),
                    kind: kind.unwrap_or("delivery").to_owned(),
                });
            }
        }
    }

    /// Received messages not yet marked read, as (sender, id) by group of one sender; they are marked.
    pub(crate) fn take_unread(
        &mut self,
        chat: Option<&str>,
        ids: Option<&[CompactString]>,
    ) -> Vec<(CompactString, Jid, Vec<CompactString>)> {
        let mut unread: Vec<(CompactString, Jid, Vec<CompactString>)> = Vec::new();
        for (name, view) in &mut self.chats {
            if chat.is_some_and(|only| only != name) {
                continue;
            }
            for shown in &mut view.messages {
                let wanted = ids.map_or(!shown.read, |ids| ids.iter().any(|id| *id == shown.id));
                if shown.from_me || shown.times == 0 || !wanted {
                    continue;
                }
                shown.read = true;
                match unread.last_mut() {
                    Some((of, from, ids)) if of == name && *from == shown.sender => ids.push(shown.id.as_str().into()),
                    _ => unread.push((name.clone(), shown.sender.clone(), vec![shown.id.as_str().into()])),
                }
            }
        }
        unread
    }

    pub(crate) fn chats(&self) -> Vec<ChatView> {
        self.chats.values().cloned().collect()
    }

    pub(crate) fn receipts(&self) -> Vec<SeenReceipt> {
        self.receipts.clone()
    }

    pub(crate) fn totals(&self) -> Totals {
        self.totals
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::super::Incoming;
    use super::*;

    fn arrive(view: &mut View, id: &str, arrival: Arrival) {
        let incoming = Incoming {
            id: id.into(),
            from_pn: "1".into(),
            from: Jid::pn_device("1", 3),
            chat: "1".into(),
            group: None,
            from_me: false,
            t: 7,
            encs: Vec::new(),
            again: 0,
        };
        view.record(&incoming, arrival);
    }

    fn text(text: &str) -> Arrival {
        Arrival::Readable { kind: "text".into(), text: Some(text.into()) }
    }

    #[test]
    fn counts_ids_repeats_failures_and_order() {
        let mut view = View::default();
        arrive(&mut view, "a", Arrival::Unreadable);
        arrive(&mut view, "b", text("two"));
        arrive(&mut view, "a", text("one"));
        arrive(&mut view, "b", text("two"));
        let messages = &view.chats()[0].messages;
        let look = |m: &Shown| (m.id.clone(), m.order, m.times, m.failed, m.decrypted, m.text.clone());
        assert_eq!(look(&messages[0]), ("a".into(), 1, 1, 1, Some(true), Some("one".into())));
        assert_eq!(look(&messages[1]), ("b".into(), 0, 2, 0, Some(true), Some("two".into())));
        let totals = view.totals();
        assert_eq!((totals.received, totals.repeated, totals.undecryptable), (2, 1, 1));
    }

    #[test]
    fn what_was_read_is_not_read_again_unless_named() {
        let mut view = View::default();
        arrive(&mut view, "a", text("one"));
        arrive(&mut view, "b", Arrival::Unreadable);
        assert_eq!(view.take_unread(Some("1"), None)[0].2, ["a"]);
        assert!(view.take_unread(None, None).is_empty());
        assert_eq!(view.take_unread(None, Some(&["a".into()]))[0].2, ["a"]);
    }
}
