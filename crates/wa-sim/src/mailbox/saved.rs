//! What waits for a device outlives the process.

use super::{Class, Item, Mailbox, Waiting};
use crate::persist::Blob;
use anyhow::Context as _;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub(crate) struct SavedMailbox {
    waiting: Vec<SavedItem>,
    dropped: u64,
}

#[derive(Serialize, Deserialize)]
struct SavedItem {
    class: String,
    id: String,
    from: Blob,
    kind: Option<String>,
    stanza: Blob,
    again: u32,
}

impl Class {
    fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Receipt => "receipt",
            Self::Notification => "notification",
        }
    }
}

impl Mailbox {
    pub(crate) fn save(&self) -> SavedMailbox {
        let waiting = self.waiting.values().map(|Waiting { item, again, .. }| SavedItem {
            class: item.class.name().to_owned(),
            id: item.id.to_string(),
            from: Blob::of_jid(&item.from),
            kind: item.kind.as_deref().map(str::to_owned),
            stanza: Blob::of(&item.stanza),
            again: *again,
        });
        SavedMailbox { waiting: waiting.collect(), dropped: self.dropped }
    }
}

impl SavedMailbox {
    pub(crate) fn restore(self) -> anyhow::Result<Mailbox> {
        let mut mailbox = Mailbox { dropped: self.dropped, ..Mailbox::default() };
        for saved in self.waiting {
            let item = Item {
                class: Class::parse(&saved.class).context("an unknown class of stanza")?,
                id: saved.id.as_str().into(),
                from: saved.from.jid()?,
                kind: saved.kind.as_deref().map(Into::into),
                stanza: saved.stanza.0.into(),
            };
            mailbox.push_repeating(item, saved.again);
        }
        Ok(mailbox)
    }
}
