//! What only the phone's worker knows, for its next life.

use super::{Sent, State};
use crate::persist::Blob;
use crate::phone::counters::Counters;
use crate::phone::keys::PhoneKeys;
use crate::phone::outgoing::AppStateKey;
use crate::phone::signal::{Endpoint, SavedEndpoint};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Serialize, Deserialize)]
pub(crate) struct SavedState {
    signal: SavedEndpoint,
    app_state_key: (Blob, Blob),
    sent: Vec<(String, Blob, Blob)>,
    retries: Vec<(String, u32)>,
    counters: Blob,
}

impl State {
    pub(crate) fn save(&self) -> anyhow::Result<SavedState> {
        let (id, data) = self.app_state_key.parts();
        let sent = self.sent.iter().map(|sent| {
            (sent.id.to_string(), Blob::of_jid(&sent.to), Blob(waproto::codec::message_to_vec(&sent.message)))
        });
        Ok(SavedState {
            signal: self.signal.save()?,
            app_state_key: (Blob::of(id), Blob::of(data)),
            sent: sent.collect(),
            retries: self.retries.iter().map(|(id, count)| (id.to_string(), *count)).collect(),
            counters: self.counters.save(),
        })
    }

    pub(crate) fn restore(keys: &Arc<PhoneKeys>, saved: SavedState) -> anyhow::Result<Self> {
        let (id, data) = saved.app_state_key;
        let sent = saved.sent.into_iter().map(|(id, to, message)| {
            let message = waproto::codec::message_decode(&message.0)?;
            Ok(Sent { id: id.as_str().into(), to: to.jid()?, message })
        });
        Ok(Self {
            signal: Endpoint::restore(keys, saved.signal)?,
            app_state_key: AppStateKey::of(id.array()?, data.array()?),
            sent: sent.collect::<anyhow::Result<_>>()?,
            retries: saved.retries.into_iter().map(|(id, count)| (id.as_str().into(), count)).collect(),
            counters: Counters::restore(&saved.counters)?,
        })
    }
}
