//! Identities, sessions, prekeys and sender keys.
//!
//! The client keeps its own cache in front of this and flushes in batches; a batch is one commit. Where its counter
//! lease runs out the flush is awaited by the send, so the commit is the promise that no message key is used twice.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use wacore::store::{
    error::{Result, StoreError},
    traits::SignalStore,
};
use waypost_store::{KeyEntry, KeyKind};

use super::{SessionBackend, name, number, parse_number};

/// The tag of a prekey that the server has.
const UPLOADED: i64 = 1;

#[async_trait]
impl SignalStore for SessionBackend {
    async fn put_identity(&self, address: &str, key: [u8; 32]) -> Result<()> {
        self.put(KeyKind::Identity, name(&[address]), key.to_vec()).await
    }

    async fn put_identities_batch(&self, identities: &[(Arc<str>, [u8; 32])]) -> Result<()> {
        let entries = identities.iter().map(|(address, key)| plain(address, key)).collect();
        self.put_many(KeyKind::Identity, entries).await
    }

    async fn load_identity(&self, address: &str) -> Result<Option<[u8; 32]>> {
        let Some(key) = self.value(KeyKind::Identity, &name(&[address])).await? else { return Ok(None) };
        let key = key.try_into().map_err(|_| StoreError::Validation("an identity key is not 32 bytes".to_owned()))?;
        Ok(Some(key))
    }

    async fn delete_identity(&self, address: &str) -> Result<()> {
        self.delete(KeyKind::Identity, &name(&[address])).await
    }

    async fn get_session(&self, address: &str) -> Result<Option<Bytes>> {
        Ok(self.value(KeyKind::Session, &name(&[address])).await?.map(Bytes::from))
    }

    async fn put_session(&self, address: &str, session: &[u8]) -> Result<()> {
        self.put(KeyKind::Session, name(&[address]), session.to_vec()).await
    }

    async fn put_sessions_batch(&self, sessions: &[(Arc<str>, Bytes)]) -> Result<()> {
        let entries = sessions.iter().map(|(address, session)| plain(address, session)).collect();
        self.put_many(KeyKind::Session, entries).await
    }

    async fn delete_session(&self, address: &str) -> Result<()> {
        self.delete(KeyKind::Session, &name(&[address])).await
    }

    async fn has_session(&self, address: &str) -> Result<bool> {
        self.keys.contains(KeyKind::Session, &name(&[address])).await.map_err(|error| self.failed(error))
    }

    async fn has_signal_state_for_user(&self, user: &str) -> Result<bool> {
        for kind in [KeyKind::Session, KeyKind::Identity] {
            // Device 0 is `user@server`, every other device `user:device@server`.
            for prefix in [format!("{user}@"), format!("{user}:")] {
                if !self.list(kind, &prefix).await?.is_empty() {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    async fn store_prekey(&self, id: u32, record: &[u8], uploaded: bool) -> Result<()> {
        self.put_many(KeyKind::PreKey, vec![prekey(id, record, uploaded)]).await
    }

    async fn store_prekeys_batch(&self, keys: &[(u32, Bytes)], uploaded: bool) -> Result<()> {
        let entries = keys.iter().map(|(id, record)| prekey(*id, record, uploaded)).collect();
        self.put_many(KeyKind::PreKey, entries).await
    }

    async fn load_prekey(&self, id: u32) -> Result<Option<Bytes>> {
        Ok(self.value(KeyKind::PreKey, &number(id)).await?.map(Bytes::from))
    }

    async fn load_prekeys_batch(&self, ids: &[u32]) -> Result<Vec<(u32, Bytes)>> {
        let names: Vec<String> = ids.iter().map(|id| number(*id)).collect();
        let entries = self.keys.get_many(KeyKind::PreKey, &names).await.map_err(|error| self.failed(error))?;
        entries.into_iter().map(|entry| Ok((parse_number(&entry.name)?, Bytes::from(entry.value)))).collect()
    }

    async fn mark_prekeys_uploaded(&self, ids: &[u32]) -> Result<()> {
        self.check_open()?;
        if ids.is_empty() {
            return Ok(());
        }
        let names = ids.iter().map(|id| number(*id)).collect();
        self.keys.set_tags(KeyKind::PreKey, names, UPLOADED).await.map_err(|error| self.failed(error))
    }

    async fn remove_prekey(&self, id: u32) -> Result<()> {
        self.delete(KeyKind::PreKey, &number(id)).await
    }

    async fn get_max_prekey_id(&self) -> Result<u32> {
        let greatest = self.keys.max_name(KeyKind::PreKey).await.map_err(|error| self.failed(error))?;
        greatest.map_or(Ok(0), |name| parse_number(&name))
    }

    async fn store_signed_prekey(&self, id: u32, record: &[u8]) -> Result<()> {
        self.put(KeyKind::SignedPreKey, number(id), record.to_vec()).await
    }

    async fn load_signed_prekey(&self, id: u32) -> Result<Option<Vec<u8>>> {
        self.value(KeyKind::SignedPreKey, &number(id)).await
    }

    async fn load_all_signed_prekeys(&self) -> Result<Vec<(u32, Vec<u8>)>> {
        let entries = self.list(KeyKind::SignedPreKey, "").await?;
        entries.into_iter().map(|entry| Ok((parse_number(&entry.name)?, entry.value))).collect()
    }

    async fn remove_signed_prekey(&self, id: u32) -> Result<()> {
        self.delete(KeyKind::SignedPreKey, &number(id)).await
    }

    async fn put_sender_key(&self, address: &str, record: &[u8]) -> Result<()> {
        self.put(KeyKind::SenderKey, name(&[address]), record.to_vec()).await
    }

    async fn put_sender_keys_batch(&self, sender_keys: &[(Arc<str>, Bytes)]) -> Result<()> {
        let entries = sender_keys.iter().map(|(address, record)| plain(address, record)).collect();
        self.put_many(KeyKind::SenderKey, entries).await
    }

    async fn get_sender_key(&self, address: &str) -> Result<Option<Vec<u8>>> {
        self.value(KeyKind::SenderKey, &name(&[address])).await
    }

    async fn delete_sender_key(&self, address: &str) -> Result<()> {
        self.delete(KeyKind::SenderKey, &name(&[address])).await
    }
}

fn plain(address: &str, value: &[u8]) -> KeyEntry {
    KeyEntry { name: name(&[address]), value: value.to_vec(), tag: 0 }
}

fn prekey(id: u32, record: &[u8], uploaded: bool) -> KeyEntry {
    KeyEntry { name: number(id), value: record.to_vec(), tag: if uploaded { UPLOADED } else { 0 } }
}
