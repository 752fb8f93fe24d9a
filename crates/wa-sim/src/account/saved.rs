//! What of an account outlives the process.

use super::{Account, Device, Devices, Presence};
use crate::mailbox::SavedMailbox;
use crate::persist::Blob;
use crate::phone::Phone;
use crate::prekeys::{KeyStore, SignedKey};
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// A device of somebody, as account number and device number.
type Whose = (String, u16);

#[derive(Serialize, Deserialize)]
pub(crate) struct SavedAccount {
    pub(crate) pn: String,
    pub(crate) lid: String,
    raw_id: u32,
    push_name: String,
    migrated: Option<bool>,
    hides_number: bool,
    devices: Vec<SavedDevice>,
    last_index: u16,
    changed: u64,
    watchers: Vec<Whose>,
    last_seen: Option<u64>,
    subscribers: Vec<Whose>,
}

#[derive(Serialize, Deserialize)]
struct SavedDevice {
    id: u16,
    key_index: u32,
    noise_public: Blob,
    proof: Blob,
    welcomed: bool,
    registration: u32,
    identity: Blob,
    signed: (u32, Blob, Blob),
    /// Four bytes of id and 32 of key, one after the other.
    one_time: Blob,
    mailbox: SavedMailbox,
}

impl Device {
    fn save(&self) -> SavedDevice {
        let keys = self.keys().clone();
        let one_time = keys.one_time.iter().flat_map(|(id, key)| id.to_be_bytes().into_iter().chain(*key));
        SavedDevice {
            id: self.id,
            key_index: self.key_index,
            noise_public: Blob::of(&self.noise_public),
            proof: Blob::of(&self.proof),
            welcomed: self.welcomed.load(Ordering::Acquire),
            registration: keys.registration,
            identity: Blob::of(&keys.identity),
            signed: (keys.signed.id, Blob::of(&keys.signed.value), Blob::of(&keys.signed.signature)),
            one_time: Blob(one_time.collect()),
            mailbox: self.mailbox().save(),
        }
    }

    fn restore(saved: SavedDevice) -> anyhow::Result<Self> {
        let mut one_time = std::collections::VecDeque::new();
        for entry in saved.one_time.0.chunks(36) {
            let (id, key) = entry.split_at_checked(4).unwrap_or_default();
            one_time.push_back((u32::from_be_bytes(id.try_into()?), key.try_into()?));
        }
        let (id, value, signature) = saved.signed;
        let keys = KeyStore {
            registration: saved.registration,
            identity: saved.identity.array()?,
            signed: SignedKey { id, value: value.array()?, signature: signature.array()? },
            one_time,
        };
        Ok(Self {
            welcomed: AtomicBool::new(saved.welcomed),
            mailbox: Mutex::new(saved.mailbox.restore()?),
            ..Self::new(saved.id, saved.key_index, saved.noise_public.array()?, saved.proof.0, keys)
        })
    }
}

impl Account {
    pub(crate) fn save(&self) -> SavedAccount {
        let own = |who: &(wacore_binary::CompactString, u16)| (who.0.to_string(), who.1);
        let devices = self.devices.read().unwrap_or_else(PoisonError::into_inner);
        let presence = self.presence();
        SavedAccount {
            pn: self.pn.to_string(),
            lid: self.lid.to_string(),
            raw_id: self.raw_id,
            push_name: self.push_name(),
            migrated: self.namespace().migrated(),
            hides_number: self.namespace().hides_number(),
            devices: devices.linked.values().map(|device| device.save()).collect(),
            last_index: devices.last_index,
            changed: devices.changed,
            watchers: self.watchers().iter().map(own).collect(),
            last_seen: presence.last_seen,
            subscribers: presence.subscribers.iter().map(own).collect(),
        }
    }

    /// Its phone is among the players as device 0.
    pub(crate) fn restore(saved: SavedAccount, players: &[Arc<Phone>]) -> anyhow::Result<Self> {
        let player = |device: u16| players.iter().find(|player| player.device() == device).cloned();
        let phone = player(0).context("an account without a phone")?;
        let whose = |who: Vec<Whose>| who.into_iter().map(|(pn, device)| (pn.as_str().into(), device)).collect();
        let mut linked = BTreeMap::new();
        for device in saved.devices {
            let device = Device::restore(device)?;
            let device = match player(device.id) {
                Some(player) => device.played(player),
                None => device,
            };
            linked.insert(device.id, Arc::new(device));
        }
        let account = Self {
            raw_id: saved.raw_id,
            devices: RwLock::new(Devices { linked, last_index: saved.last_index, changed: saved.changed }),
            watchers: Mutex::new(whose(saved.watchers)),
            presence: Mutex::new(Presence {
                last_seen: saved.last_seen,
                subscribers: whose(saved.subscribers),
                ..Presence::default()
            }),
            ..Self::new(saved.pn.as_str().into(), saved.lid.as_str().into(), saved.push_name, phone)
        };
        account.namespace().set_migrated(saved.migrated);
        account.namespace().set_hides_number(saved.hides_number);
        Ok(account)
    }
}
