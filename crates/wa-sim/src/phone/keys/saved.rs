//! A phone's keys outlive the process.

use super::{OneTime, PhoneKeys};
use crate::account::lock;
use crate::persist::Blob;
use serde::{Deserialize, Serialize};
use std::sync::Mutex;

#[derive(Serialize, Deserialize)]
pub(crate) struct SavedKeys {
    identity: Blob,
    registration: u32,
    signed: Blob,
    signature: Blob,
    last: u32,
    unused: Vec<(u32, Blob)>,
}

impl PhoneKeys {
    pub(crate) fn save(&self) -> SavedKeys {
        let one_time = lock(&self.one_time);
        SavedKeys {
            identity: Blob::of_pair(&self.identity),
            registration: self.registration,
            signed: Blob::of_pair(&self.signed),
            signature: Blob::of(&self.signature),
            last: one_time.last,
            unused: one_time.unused.iter().map(|(id, pair)| (*id, Blob::of_pair(pair))).collect(),
        }
    }

    pub(crate) fn restore(saved: &SavedKeys) -> anyhow::Result<Self> {
        let unused = saved.unused.iter().map(|(id, pair)| Ok((*id, pair.pair()?)));
        let unused = unused.collect::<anyhow::Result<_>>()?;
        Ok(Self {
            identity: saved.identity.pair()?,
            registration: saved.registration,
            signed: saved.signed.pair()?,
            signature: saved.signature.array()?,
            one_time: Mutex::new(OneTime { last: saved.last, unused }),
        })
    }
}
