//! The secrets of messages, by which later poll votes, edits and reactions to them are read.

use std::collections::HashMap;

use async_trait::async_trait;
use wacore::store::{
    error::{Result, StoreError},
    traits::{MsgSecretEntry, MsgSecretStore, merge_msg_secret_expiry, merge_msg_secret_message_ts},
};
use waypost_store::{KeyEntry, KeyKind};

use super::{SessionBackend, database, name};

#[async_trait]
impl MsgSecretStore for SessionBackend {
    async fn put_msg_secrets(&self, entries: Vec<MsgSecretEntry>) -> Result<usize> {
        let stored = entries.len();
        let _merging = self.merging.lock().await;
        let names: Vec<String> = entries.iter().map(entry_name).collect();
        let present = self.keys.get_many(KeyKind::MessageSecret, &names).await.map_err(database)?;
        let mut merged: HashMap<String, KeyEntry> =
            present.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
        for (name, entry) in names.into_iter().zip(entries) {
            let (expires_at, message_ts) = match merged.get(&name) {
                Some(present) => (
                    merge_msg_secret_expiry(present.tag, entry.expires_at),
                    merge_msg_secret_message_ts(decode(&present.value)?.1, entry.message_ts),
                ),
                None => (entry.expires_at, entry.message_ts),
            };
            let value = [entry.secret.as_slice(), &message_ts.to_le_bytes()].concat();
            merged.insert(name.clone(), KeyEntry { name, value, tag: expires_at });
        }
        self.put_many(KeyKind::MessageSecret, merged.into_values().collect()).await?;
        Ok(stored)
    }

    async fn get_msg_secret(&self, chat: &str, sender: &str, msg_id: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.get_msg_secret_with_ts(chat, sender, msg_id).await?.map(|(secret, _)| secret))
    }

    async fn get_msg_secret_with_ts(&self, chat: &str, sender: &str, msg_id: &str) -> Result<Option<(Vec<u8>, i64)>> {
        let value = self.value(KeyKind::MessageSecret, &name(&[chat, sender, msg_id])).await?;
        value.map(|value| decode(&value).map(|(secret, message_ts)| (secret.to_vec(), message_ts))).transpose()
    }

    async fn delete_expired_msg_secrets(&self, cutoff_timestamp: i64) -> Result<u32> {
        // Expired is at or before the cutoff; an expiry of 0 means never, and the sweep leaves it alone.
        self.sweep(KeyKind::MessageSecret, cutoff_timestamp.saturating_add(1)).await
    }
}

fn entry_name(entry: &MsgSecretEntry) -> String {
    name(&[&entry.chat, &entry.sender, &entry.msg_id])
}

/// The secret and the time of its message in seconds, 0 for unknown.
fn decode(value: &[u8]) -> Result<(&[u8], i64)> {
    let corrupt = || StoreError::Validation("a message secret is not 32 bytes and a time".to_owned());
    let (secret, message_ts) = value.split_at_checked(32).ok_or_else(corrupt)?;
    let message_ts = i64::from_le_bytes(message_ts.try_into().map_err(|_| corrupt())?);
    Ok((secret, message_ts))
}
