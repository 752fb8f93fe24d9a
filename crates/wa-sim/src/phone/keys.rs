//! The phone's own keys. One-time keys are made when somebody fetches the bundle, so the supply never
//! runs out and a phone that nobody writes to costs nothing.

mod saved;

pub(crate) use saved::SavedKeys;

use crate::account::lock;
use crate::crypto;
use crate::prekeys::{Bundle, SignedKey};
use std::collections::BTreeMap;
use std::sync::Mutex;
use wacore_libsignal::protocol::KeyPair;

/// Fetched but not yet used one-time keys; the oldest is forgotten past this.
const MAX_UNUSED: usize = 20_000;
/// Key ids are three bytes on the wire.
const ID_MASK: u32 = 0x00ff_ffff;
/// The signed prekey never rotates.
pub(crate) const SIGNED_ID: u32 = 1;

#[derive(Default)]
struct OneTime {
    last: u32,
    unused: BTreeMap<u32, KeyPair>,
}

/// See the module's head.
pub(crate) struct PhoneKeys {
    identity: KeyPair,
    registration: u32,
    signed: KeyPair,
    signature: [u8; 64],
    one_time: Mutex<OneTime>,
}

impl PhoneKeys {
    pub(crate) fn generate() -> Self {
        let identity = crypto::key_pair();
        let signed = crypto::key_pair();
        let signature = crypto::sign(&identity, &[&signed.public_key.serialize()])
            .expect("signing with a key that was just generated cannot fail");
        Self {
            identity,
            // 14 bits, as the clients draw theirs; never 0.
            registration: u32::from(u16::from_be_bytes(crypto::random()) & 0x3fff) + 1,
            signed,
            signature,
            one_time: Mutex::default(),
        }
    }

    /// The account's key: Signal identity of the phone, and signer of its companions.
    pub(crate) fn identity(&self) -> &KeyPair {
        &self.identity
    }

    pub(crate) fn registration(&self) -> u32 {
        self.registration
    }

    pub(crate) fn signed(&self) -> (&KeyPair, &[u8; 64]) {
        (&self.signed, &self.signature)
    }

    /// A bundle with a fresh one-time key.
    pub(crate) fn bundle(&self) -> Bundle {
        let key = crypto::key_pair();
        let public = crypto::raw(&key.public_key);
        let id = {
            let mut one_time = lock(&self.one_time);
            one_time.last = (one_time.last & ID_MASK) + 1;
            let id = one_time.last;
            one_time.unused.insert(id, key);
            if one_time.unused.len() > MAX_UNUSED {
                one_time.unused.pop_first();
            }
            id
        };
        Bundle {
            registration: self.registration,
            identity: crypto::raw(&self.identity.public_key),
            signed: SignedKey { id: SIGNED_ID, value: crypto::raw(&self.signed.public_key), signature: self.signature },
            one_time: Some((id, public)),
            device_identity: None,
        }
    }

    pub(crate) fn one_time(&self, id: u32) -> Option<KeyPair> {
        lock(&self.one_time).unused.get(&id).cloned()
    }

    pub(crate) fn use_up(&self, id: u32) {
        lock(&self.one_time).unused.remove(&id);
    }
}
