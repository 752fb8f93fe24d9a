//! The server's keys outlive the process: clients pin the root and cache the static key.

use super::Identity;
use crate::persist::Blob;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub(crate) struct SavedIdentity {
    root_public: Blob,
    static_key: Blob,
    chain: Blob,
}

impl Identity {
    pub(crate) fn save(&self) -> SavedIdentity {
        SavedIdentity {
            root_public: Blob::of(&self.root_public),
            static_key: Blob::of_pair(&self.static_key),
            chain: Blob::of(&self.chain),
        }
    }

    pub(crate) fn restore(saved: &SavedIdentity) -> anyhow::Result<Self> {
        Ok(Self {
            root_public: saved.root_public.array()?,
            static_key: saved.static_key.pair()?,
            chain: saved.chain.0.clone(),
        })
    }
}
