//! A phone's book outlives the process.

use super::{ChatView, SeenReceipt, Shown, Totals, View};
use crate::persist::Blob;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub(crate) struct SavedView {
    chats: Vec<(String, Vec<SavedShown>)>,
    receipts: Vec<SeenReceipt>,
    totals: Totals,
    order: u64,
}

#[derive(Serialize, Deserialize)]
struct SavedShown {
    shown: Shown,
    read: bool,
    sender: Blob,
}

impl View {
    pub(crate) fn save(&self) -> SavedView {
        let saved =
            |shown: &Shown| SavedShown { shown: shown.clone(), read: shown.read, sender: Blob::of_jid(&shown.sender) };
        let chats = self.chats.iter();
        SavedView {
            chats: chats.map(|(name, chat)| (name.to_string(), chat.messages.iter().map(saved).collect())).collect(),
            receipts: self.receipts.clone(),
            totals: self.totals,
            order: self.order,
        }
    }

    pub(crate) fn restore(saved: SavedView) -> anyhow::Result<Self> {
        let mut view = Self { receipts: saved.receipts, totals: saved.totals, order: saved.order, ..Self::default() };
        for (name, messages) in saved.chats {
            let mut chat = ChatView { chat: name.clone(), ..ChatView::default() };
            for SavedShown { shown, read, sender } in messages {
                let sender = sender.jid()?;
                view.entries += 1;
                view.text +=
                    shown.text.as_ref().map_or(0, String::len) + shown.resent_text.as_ref().map_or(0, String::len);
                chat.index.insert((shown.id.as_str().into(), shown.from_me), chat.messages.len());
                chat.messages.push(Shown { read, sender, ..shown });
            }
            view.chats.insert(name.as_str().into(), chat);
        }
        Ok(view)
    }
}
