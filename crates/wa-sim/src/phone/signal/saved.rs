//! A phone's Signal sessions outlive the process. The records serialize themselves; reading one skips
//! what its sending chain had reserved, so that no counter is ever used twice.

use super::Endpoint;
use crate::account::lock;
use crate::persist::Blob;
use crate::phone::keys::PhoneKeys;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use wacore_libsignal::protocol::{DeviceId, IdentityKey, ProtocolAddress, PublicKey, SenderKeyRecord, SessionRecord};

#[derive(Serialize, Deserialize)]
pub(crate) struct SavedEndpoint {
    sessions: Vec<(String, u32, Blob)>,
    known: Vec<(String, u32, Blob)>,
    sender_keys: Vec<(String, Blob)>,
}

impl Endpoint {
    pub(crate) fn save(&self) -> anyhow::Result<SavedEndpoint> {
        let parts = |address: &ProtocolAddress| (address.name().to_owned(), u32::from(address.device_id()));
        let mut saved = SavedEndpoint { sessions: Vec::new(), known: Vec::new(), sender_keys: Vec::new() };
        for (address, record) in lock(&self.sessions.0).iter() {
            let (name, device) = parts(address);
            saved.sessions.push((name, device, Blob(record.serialize()?)));
        }
        for (address, identity) in &self.identities.known {
            let (name, device) = parts(address);
            saved.known.push((name, device, Blob::of(identity.public_key().public_key_bytes())));
        }
        for (name, record) in &self.sender_keys.0 {
            saved.sender_keys.push((name.clone(), Blob(record.serialize()?)));
        }
        Ok(saved)
    }

    pub(crate) fn restore(keys: &Arc<PhoneKeys>, saved: SavedEndpoint) -> anyhow::Result<Self> {
        let mut endpoint = Self::new(keys);
        let address = |name: &str, device| ProtocolAddress::new(name, DeviceId::new(device));
        for (name, device, record) in saved.sessions {
            let record = SessionRecord::deserialize(&record.0)?;
            lock(&endpoint.sessions.0).insert(address(&name, device), record);
        }
        for (name, device, key) in saved.known {
            let key = IdentityKey::new(PublicKey::from_djb_public_key_bytes(&key.0)?);
            endpoint.identities.known.insert(address(&name, device), key);
        }
        for (name, record) in saved.sender_keys {
            endpoint.sender_keys.0.insert(name, SenderKeyRecord::deserialize(&record.0)?);
        }
        Ok(endpoint)
    }
}
