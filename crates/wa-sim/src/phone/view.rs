//! What a phone was shown: the book that tests read.
//!
//! Every message is one entry per chat and id, with how often it arrived readable, how often
//! unreadable, and where in the order of first showing it stands. The book is bounded: past
//! [`MAX_ENTRIES`] only totals grow, past [`MAX_TEXT`] texts are no longer kept.

mod saved;

pub(crate) use saved::SavedView;

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use wacore_binary::{CompactString, Jid};

/// Entries kept per phone.
const MAX_ENTRIES: usize = 500_000;
/// Bytes of text kept per phone.
const MAX_TEXT: usize = 64 << 20;
/// Receipts kept per phone.
const MAX_RECEIPTS: usize = 50_000;

/// One message as the phone shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Retry receipts the phone sent for it.
    pub retries: u32,
    /// How often it arrived after the first of them.
    pub resends: u32,
    /// The text it had the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resent_text: Option<String>,
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

/// A message in short. In JSON it is `[id, times, decrypted]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownMessage {
    /// The message's id.
    pub id: String,
    /// How often it arrived and could be shown; 0 when it never could.
    pub times: u32,
    /// Whether it could be decrypted in the end; absent when phones only count.
    pub decrypted: Option<bool>,
}

impl Serialize for ShownMessage {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (&self.id, self.times, self.decrypted).serialize(serializer)
    }
}

/// A chat in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownChat {
    /// Number of the other side, or the group's id.
    pub chat: String,
    /// What others sent, in order of first showing; what could never be shown is at the end.
    pub received: Vec<ShownMessage>,
    /// What the account sent itself, likewise.
    pub sent: Vec<ShownMessage>,
}

/// A receipt the phone was told about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Ciphertexts under a message counter that was used for another one before: 0 in a healthy world.
    pub reused_counters: u64,
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
    /// The very ciphertext that was read before.
    Repeat,
}

impl ChatView {
    fn in_short(&self) -> ShownChat {
        let mut messages: Vec<&Shown> = self.messages.iter().collect();
        messages.sort_by_key(|shown| (shown.times == 0, shown.order));
        let part = |from_me: bool| {
            let part = messages.iter().filter(|shown| shown.from_me == from_me);
            part.map(|shown| ShownMessage { id: shown.id.clone(), times: shown.times, decrypted: shown.decrypted })
                .collect()
        };
        ShownChat { chat: self.chat.clone(), received: part(false), sent: part(true) }
    }
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
                    retries: 0,
                    resends: 0,
                    resent_text: None,
                    read: false,
                    sender: incoming.from.clone(),
                });
                chat.messages.len() - 1
            }
        };
        let shown = &mut chat.messages[at];
        let resent = shown.retries > 0;
        shown.resends += u32::from(resent);
        match arrival {
            Arrival::Unreadable => {
                shown.failed += 1;
                shown.decrypted.get_or_insert(false);
                return;
            }
            Arrival::Unopened | Arrival::Repeat => {}
            Arrival::Readable { kind, text } => {
                shown.decrypted = Some(true);
                shown.kind = Some(kind);
                let size = text.as_ref().map_or(0, String::len);
                if resent && self.text + size <= MAX_TEXT {
                    self.text += size;
                    shown.resent_text.clone_from(&text);
                }
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

    /// Whether a message was shown already.
    pub(crate) fn knows(&self, incoming: &super::Incoming) -> bool {
        let chat = self.chats.get(&incoming.chat);
        let at = chat.and_then(|chat| chat.index.get(&(incoming.id.clone(), incoming.from_me)).map(|at| (chat, *at)));
        at.is_some_and(|(chat, at)| chat.messages[at].times > 0)
    }

    /// A retry receipt was sent.
    pub(crate) fn record_retry(&mut self, chat: &str, id: &str, from_me: bool) {
        if let Some(chat) = self.chats.get_mut(chat)
            && let Some(at) = chat.index.get(&(id.into(), from_me))
        {
            chat.messages[*at].retries += 1;
        }
    }

    /// Whom a message came from, by the device's address as stamped, whether it is the account's own, and its time.
    pub(crate) fn origin(&self, chat: &str, id: &str) -> Option<(Jid, bool, u64)> {
        let chat = self.chats.get(chat)?;
        let at = [false, true].iter().find_map(|from_me| chat.index.get(&(id.into(), *from_me)))?;
        let shown = &chat.messages[*at];
        Some((shown.sender.clone(), shown.from_me, shown.t))
    }

    pub(crate) fn record_reuse(&mut self) {
        self.totals.reused_counters += 1;
    }

    /// Everything in short, or one chat.
    pub(crate) fn shown(&self, only: Option<&str>) -> Vec<ShownChat> {
        let wanted = self.chats.values().filter(|chat| only.is_none_or(|only| only == chat.chat));
        wanted.map(ChatView::in_short).collect()
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
