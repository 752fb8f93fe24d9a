//! An account: a phone with a number and a LID, and the companions linked to it.

mod saved;

pub(crate) use saved::SavedAccount;

use crate::crypto;
use crate::mailbox::Mailbox;
use crate::namespace::Namespace;
use crate::phone::Phone;
use crate::prekeys::KeyStore;
use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use wacore_binary::{CompactString, Jid, Server};
use wacore_libsignal::protocol::CurveError;
use waproto::buffa::Message as _;
use waproto::whatsapp::{ADVEncryptionType, ADVKeyIndexList, ADVSignedKeyIndexList};

/// Devices remembered as interested in an account's device list.
const MAX_WATCHERS: usize = 100_000;
/// Domain of the signature over a key index list (`WAWebAdvSignatureConstants`).
const KEY_INDEX_PREFIX: [u8; 2] = [6, 2];

/// Locks without caring for poison: the data behind these locks is valid after every statement.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A linked companion device.
pub(crate) struct Device {
    pub(crate) id: u16,
    /// The index the phone signed into the device's identity.
    pub(crate) key_index: u32,
    /// The Noise static key it must log in with.
    pub(crate) noise_public: [u8; 32],
    /// `ADVSignedDeviceIdentity` with both signatures, as other clients check it.
    pub(crate) proof: Vec<u8>,
    /// Whether the phone has sent it the app-state key and history.
    pub(crate) welcomed: AtomicBool,
    /// Who plays it, if no client does.
    pub(crate) player: Option<Arc<Phone>>,
    keys: Mutex<KeyStore>,
    mailbox: Mutex<Mailbox>,
}

impl Device {
    pub(crate) fn new(id: u16, key_index: u32, noise_public: [u8; 32], proof: Vec<u8>, keys: KeyStore) -> Self {
        Self {
            id,
            key_index,
            noise_public,
            proof,
            welcomed: AtomicBool::new(false),
            player: None,
            keys: Mutex::new(keys),
            mailbox: Mutex::new(Mailbox::default()),
        }
    }

    /// A device that no client can log in as.
    pub(crate) fn played(self, player: Arc<Phone>) -> Self {
        self.mailbox().discard();
        Self { player: Some(player), ..self }
    }

    pub(crate) fn keys(&self) -> MutexGuard<'_, KeyStore> {
        lock(&self.keys)
    }

    pub(crate) fn mailbox(&self) -> MutexGuard<'_, Mailbox> {
        lock(&self.mailbox)
    }
}

/// The device list as the phone signed it.
#[derive(Default)]
struct Devices {
    linked: BTreeMap<u16, Arc<Device>>,
    /// The highest index ever given out; device ids and key indexes are the same numbers here.
    last_index: u16,
    /// When the list last changed, in seconds.
    changed: u64,
}

/// What others know of the account's presence.
#[derive(Default)]
pub(crate) struct Presence {
    /// Companions that said `available`.
    pub(crate) available: HashSet<u16>,
    /// When the last one went away.
    pub(crate) last_seen: Option<u64>,
    /// Devices that asked to be told, by account number.
    pub(crate) subscribers: HashSet<(CompactString, u16)>,
}

/// See the module's head.
pub(crate) struct Account {
    pub(crate) pn: CompactString,
    pub(crate) lid: CompactString,
    /// Stable for the account's life: a change would make clients wipe their sessions (wire.md 2.4.2).
    pub(crate) raw_id: u32,
    namespace: Namespace,
    push_name: RwLock<String>,
    devices: RwLock<Devices>,
    watchers: Mutex<HashSet<(CompactString, u16)>>,
    presence: Mutex<Presence>,
    phone: Arc<Phone>,
}

impl Account {
    pub(crate) fn new(pn: CompactString, lid: CompactString, push_name: String, phone: Arc<Phone>) -> Self {
        Self {
            pn,
            lid,
            raw_id: u32::from_be_bytes(crypto::random()),
            namespace: Namespace::default(),
            push_name: RwLock::new(push_name),
            devices: RwLock::default(),
            watchers: Mutex::default(),
            presence: Mutex::default(),
            phone,
        }
    }

    /// The account's address in one of its two namespaces.
    pub(crate) fn jid(&self, server: Server) -> Jid {
        if server.is_lid_family() { Jid::lid(self.lid.clone()) } else { Jid::pn(self.pn.clone()) }
    }

    /// Whether a JID names this account, in either namespace.
    pub(crate) fn owns(&self, jid: &Jid) -> bool {
        if jid.server.is_lid_family() { jid.user == self.lid } else { jid.server.is_pn_family() && jid.user == self.pn }
    }

    pub(crate) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    pub(crate) fn phone(&self) -> &Arc<Phone> {
        &self.phone
    }

    /// Who plays a device: the phone, or a pretend companion.
    pub(crate) fn player(&self, device: u16) -> Option<Arc<Phone>> {
        if device == 0 { Some(Arc::clone(&self.phone)) } else { self.device(device)?.player.clone() }
    }

    pub(crate) fn push_name(&self) -> String {
        self.push_name.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_push_name(&self, name: &str) {
        name.clone_into(&mut self.push_name.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// A linked companion.
    pub(crate) fn device(&self, id: u16) -> Option<Arc<Device>> {
        self.devices.read().unwrap_or_else(PoisonError::into_inner).linked.get(&id).cloned()
    }

    /// All linked companions, in the order they were linked.
    pub(crate) fn devices(&self) -> Vec<Arc<Device>> {
        self.devices.read().unwrap_or_else(PoisonError::into_inner).linked.values().cloned().collect()
    }

    /// A device number that was never used before.
    pub(crate) fn next_index(&self) -> u16 {
        let mut devices = self.devices.write().unwrap_or_else(PoisonError::into_inner);
        devices.last_index += 1;
        devices.last_index
    }

    pub(crate) fn link(&self, device: Arc<Device>, now: u64) {
        let mut devices = self.devices.write().unwrap_or_else(PoisonError::into_inner);
        devices.changed = now;
        devices.linked.insert(device.id, device);
    }

    pub(crate) fn unlink(&self, id: u16, now: u64) -> Option<Arc<Device>> {
        let mut devices = self.devices.write().unwrap_or_else(PoisonError::into_inner);
        devices.changed = now;
        devices.linked.remove(&id)
    }

    /// The signed key index list and its time. whatsapp-rust skips a user with companions but without
    /// one (wire.md 2.4.2).
    pub(crate) fn key_index_list(&self) -> Result<(u64, Vec<u8>), CurveError> {
        let (changed, last, valid) = {
            let devices = self.devices.read().unwrap_or_else(PoisonError::into_inner);
            let valid: Vec<u32> =
                std::iter::once(0).chain(devices.linked.values().map(|device| device.key_index)).collect();
            (devices.changed, u32::from(devices.last_index), valid)
        };
        let details = ADVKeyIndexList {
            raw_id: Some(self.raw_id),
            timestamp: Some(changed),
            current_index: Some(last),
            valid_indexes: valid,
            account_type: Some(ADVEncryptionType::E2EE),
        }
        .encode_to_vec();
        let key = self.phone.keys().identity();
        let signature = crypto::sign(key, &[&KEY_INDEX_PREFIX, &details])?;
        let signed = ADVSignedKeyIndexList {
            details: Some(details),
            account_signature: Some(signature.to_vec()),
            account_signature_key: Some(crypto::raw(&key.public_key).to_vec()),
        };
        Ok((changed, signed.encode_to_vec()))
    }

    /// Remembers that a device asked for this account's devices, so that it hears of changes.
    pub(crate) fn watch(&self, asker: &Account, device: u16) {
        let mut watchers = lock(&self.watchers);
        if watchers.len() < MAX_WATCHERS {
            watchers.insert((asker.pn.clone(), device));
        }
    }

    /// The devices to tell about a change of the device list.
    pub(crate) fn watchers(&self) -> Vec<(CompactString, u16)> {
        lock(&self.watchers).iter().cloned().collect()
    }

    pub(crate) fn presence(&self) -> MutexGuard<'_, Presence> {
        lock(&self.presence)
    }

    /// Whether the phone should welcome this device now; true once.
    pub(crate) fn claim_welcome(device: &Device) -> bool {
        !device.welcomed.swap(true, Ordering::AcqRel)
    }
}
