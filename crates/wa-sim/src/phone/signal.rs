//! The phone as a Signal endpoint: stores in memory, and encrypt/decrypt over them.
//!
//! Only the phone's worker touches this, one job after the other, so sessions are taken out of the
//! map while they are worked on and put back after, without copies.

mod saved;

pub(crate) use saved::SavedEndpoint;

use super::EncKind;
use super::keys::{PhoneKeys, SIGNED_ID};
use crate::account::lock;
use crate::prekeys::Bundle;
use async_trait::async_trait;
use rand_wire::rngs::StdRng;
use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex};
use wacore_libsignal::protocol::{
    CiphertextMessage, Direction, GenericSignedPreKey as _, IdentityChange, IdentityKey, IdentityKeyPair,
    IdentityKeyStore, PreKeyBundle, PreKeyId, PreKeyRecord, PreKeySignalMessage, PreKeyStore, ProtocolAddress,
    PublicKey, SenderKeyDistributionMessage, SenderKeyName, SenderKeyRecord, SenderKeyStore, SessionCheckoutKey,
    SessionCheckoutStoreResult, SessionRecord, SessionStore, SignalMessage, SignalProtocolError, SignedPreKeyId,
    SignedPreKeyRecord, SignedPreKeyStore, Timestamp, UsePQRatchet, group_decrypt, message_decrypt, message_encrypt,
    process_prekey_bundle, process_sender_key_distribution_message,
};

type Result<T> = std::result::Result<T, SignalProtocolError>;

/// See the module's head.
pub(crate) struct Endpoint {
    sessions: Sessions,
    identities: Identities,
    prekeys: Prekeys,
    signed: SignedPrekeys,
    sender_keys: SenderKeys,
    /// A generator that may cross an await, which the thread's own may not.
    rng: StdRng,
}

/// A ciphertext ready for an `<enc>`.
pub(crate) struct Sealed {
    pub(crate) kind: &'static str,
    pub(crate) bytes: Vec<u8>,
}

impl Endpoint {
    pub(crate) fn new(keys: &Arc<PhoneKeys>) -> Self {
        let pair = keys.identity();
        Self {
            sessions: Sessions::default(),
            identities: Identities {
                pair: IdentityKeyPair::new(IdentityKey::new(pair.public_key), pair.private_key.clone()),
                registration: keys.registration(),
                known: HashMap::new(),
            },
            prekeys: Prekeys(Arc::clone(keys)),
            signed: SignedPrekeys(Arc::clone(keys)),
            sender_keys: SenderKeys::default(),
            rng: rand_wire::make_rng(),
        }
    }

    pub(crate) fn has_session(&self, peer: &ProtocolAddress) -> bool {
        lock(&self.sessions.0).contains_key(peer)
    }

    /// Starts a session from a bundle, replacing the one there is.
    pub(crate) async fn start(&mut self, peer: &ProtocolAddress, bundle: &Bundle) -> Result<()> {
        let key = |bytes: &[u8; 32]| PublicKey::from_djb_public_key_bytes(bytes);
        let one_time = match &bundle.one_time {
            Some((id, value)) => Some((PreKeyId::from(*id), key(value)?)),
            None => None,
        };
        let bundle = PreKeyBundle::new(
            bundle.registration,
            peer.device_id(),
            one_time,
            SignedPreKeyId::from(bundle.signed.id),
            key(&bundle.signed.value)?,
            bundle.signed.signature.to_vec(),
            IdentityKey::new(key(&bundle.identity)?),
        )?;
        process_prekey_bundle(peer, &mut self.sessions, &mut self.identities, &bundle, &mut self.rng, UsePQRatchet::No)
            .await?;
        Ok(())
    }

    pub(crate) async fn encrypt(&mut self, peer: &ProtocolAddress, plaintext: &[u8]) -> Result<Sealed> {
        let sealed = message_encrypt(plaintext, peer, &mut self.sessions, &mut self.identities).await?;
        match &sealed {
            CiphertextMessage::PreKeySignalMessage(message) => {
                Ok(Sealed { kind: "pkmsg", bytes: message.serialized().to_vec() })
            }
            CiphertextMessage::SignalMessage(message) => {
                Ok(Sealed { kind: "msg", bytes: message.serialized().to_vec() })
            }
            _ => Err(SignalProtocolError::InvalidArgument("pairwise encryption gave a group message".into())),
        }
    }

    /// Decrypts a pairwise ciphertext.
    pub(crate) async fn decrypt(&mut self, peer: &ProtocolAddress, kind: EncKind, bytes: &[u8]) -> Result<Vec<u8>> {
        let message = match kind {
            EncKind::PreKey => CiphertextMessage::PreKeySignalMessage(PreKeySignalMessage::try_from(bytes)?),
            EncKind::Signal => CiphertextMessage::SignalMessage(SignalMessage::try_from(bytes)?),
            EncKind::SenderKey => {
                return Err(SignalProtocolError::InvalidArgument("not a pairwise message".into()));
            }
        };
        let opened = message_decrypt(
            &message,
            peer,
            &mut self.sessions,
            &mut self.identities,
            &mut self.prekeys,
            &self.signed,
            &mut self.rng,
            UsePQRatchet::No,
        )
        .await?;
        if let Some(id) = opened.consumed_prekey_id {
            self.prekeys.0.use_up(id.into());
        }
        Ok(opened.plaintext)
    }

    /// Takes a sender's group key.
    pub(crate) async fn learn_sender_key(&mut self, group: &str, sender: &ProtocolAddress, key: &[u8]) -> Result<()> {
        let name = SenderKeyName::from_parts(group, sender.as_str());
        let key = SenderKeyDistributionMessage::try_from(key)?;
        process_sender_key_distribution_message(&name, &key, &mut self.sender_keys).await
    }

    pub(crate) async fn decrypt_group(
        &mut self,
        group: &str,
        sender: &ProtocolAddress,
        bytes: &[u8],
    ) -> Result<Vec<u8>> {
        let name = SenderKeyName::from_parts(group, sender.as_str());
        group_decrypt(bytes, &mut self.sender_keys, &name).await
    }
}

/// The lock is there because a checkout takes the record through a shared reference; nobody competes.
#[derive(Default)]
struct Sessions(Mutex<HashMap<ProtocolAddress, SessionRecord>>);

impl Sessions {
    /// A checkout's key tells it from a plain read; its parts mean nothing here.
    const CHECKOUT: SessionCheckoutKey = SessionCheckoutKey::new(0, NonZeroU64::MIN);
}

#[async_trait]
impl SessionStore for Sessions {
    async fn load_session(&self, address: &ProtocolAddress) -> Result<Option<SessionRecord>> {
        Ok(lock(&self.0).get(address).cloned())
    }

    fn try_load_session_for_update(
        &self,
        address: &ProtocolAddress,
    ) -> Option<Result<(Option<SessionRecord>, Option<SessionCheckoutKey>)>> {
        Some(Ok((lock(&self.0).remove(address), Some(Self::CHECKOUT))))
    }

    async fn has_session(&self, address: &ProtocolAddress) -> Result<bool> {
        Ok(lock(&self.0).contains_key(address))
    }

    fn try_has_session(&self, address: &ProtocolAddress) -> Option<Result<bool>> {
        Some(Ok(lock(&self.0).contains_key(address)))
    }

    async fn store_session(&mut self, address: &ProtocolAddress, record: SessionRecord) -> Result<()> {
        lock(&self.0).insert(address.clone(), record);
        Ok(())
    }

    fn try_store_session_from_checkout(
        &mut self,
        address: &ProtocolAddress,
        record: SessionRecord,
        _checkout: Option<SessionCheckoutKey>,
        _had_session: bool,
    ) -> SessionCheckoutStoreResult {
        lock(&self.0).insert(address.clone(), record);
        SessionCheckoutStoreResult::Stored
    }
}

struct Identities {
    pair: IdentityKeyPair,
    registration: u32,
    known: HashMap<ProtocolAddress, IdentityKey>,
}

impl Identities {
    fn remember(&mut self, address: &ProtocolAddress, identity: &IdentityKey) -> IdentityChange {
        match self.known.get(address) {
            Some(known) if known == identity => IdentityChange::NewOrUnchanged,
            Some(_) => {
                self.known.insert(address.clone(), *identity);
                IdentityChange::ReplacedExisting
            }
            None => {
                self.known.insert(address.clone(), *identity);
                IdentityChange::NewOrUnchanged
            }
        }
    }
}

#[async_trait]
impl IdentityKeyStore for Identities {
    async fn get_identity_key_pair(&self) -> Result<IdentityKeyPair> {
        Ok(self.pair.clone())
    }

    async fn get_local_registration_id(&self) -> Result<u32> {
        Ok(self.registration)
    }

    async fn save_identity(&mut self, address: &ProtocolAddress, identity: &IdentityKey) -> Result<IdentityChange> {
        Ok(self.remember(address, identity))
    }

    fn try_save_identity(
        &mut self,
        address: &ProtocolAddress,
        identity: &IdentityKey,
    ) -> Option<Result<IdentityChange>> {
        Some(Ok(self.remember(address, identity)))
    }

    /// Phones accept a changed identity and carry on.
    async fn is_trusted_identity(
        &self,
        _address: &ProtocolAddress,
        _identity: &IdentityKey,
        _direction: Direction,
    ) -> Result<bool> {
        Ok(true)
    }

    fn try_is_trusted_identity(
        &self,
        _address: &ProtocolAddress,
        _identity: &IdentityKey,
        _direction: Direction,
    ) -> Option<Result<bool>> {
        Some(Ok(true))
    }

    async fn get_identity(&self, address: &ProtocolAddress) -> Result<Option<IdentityKey>> {
        Ok(self.known.get(address).copied())
    }
}

struct Prekeys(Arc<PhoneKeys>);

#[async_trait]
impl PreKeyStore for Prekeys {
    async fn get_pre_key(&self, id: PreKeyId) -> Result<PreKeyRecord> {
        let pair = self.0.one_time(id.into()).ok_or(SignalProtocolError::InvalidPreKeyId)?;
        Ok(PreKeyRecord::new(id, &pair))
    }

    async fn save_pre_key(&mut self, _id: PreKeyId, _record: &PreKeyRecord) -> Result<()> {
        Ok(())
    }

    async fn remove_pre_key(&mut self, id: PreKeyId) -> Result<()> {
        self.0.use_up(id.into());
        Ok(())
    }
}

struct SignedPrekeys(Arc<PhoneKeys>);

#[async_trait]
impl SignedPreKeyStore for SignedPrekeys {
    async fn get_signed_pre_key(&self, id: SignedPreKeyId) -> Result<SignedPreKeyRecord> {
        if u32::from(id) != SIGNED_ID {
            return Err(SignalProtocolError::InvalidSignedPreKeyId);
        }
        let (pair, signature) = self.0.signed();
        Ok(SignedPreKeyRecord::new(id, Timestamp::from_epoch_millis(0), pair, signature))
    }

    async fn save_signed_pre_key(&mut self, _id: SignedPreKeyId, _record: &SignedPreKeyRecord) -> Result<()> {
        Ok(())
    }
}

#[derive(Default)]
struct SenderKeys(HashMap<String, SenderKeyRecord>);

#[async_trait]
impl SenderKeyStore for SenderKeys {
    async fn store_sender_key(&mut self, name: &SenderKeyName, record: SenderKeyRecord) -> Result<()> {
        self.0.insert(name.cache_key().to_owned(), record);
        Ok(())
    }

    async fn load_sender_key(&self, name: &SenderKeyName) -> Result<Option<SenderKeyRecord>> {
        Ok(self.0.get(name.cache_key()).cloned())
    }
}

#[cfg(test)]
mod tests;
