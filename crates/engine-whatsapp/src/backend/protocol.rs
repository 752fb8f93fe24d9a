//! What the protocol remembers of other people and of messages on their way: mappings of numbers and LIDs, device
//! lists, who has which group's sender key, tokens of trust, sent messages kept for retries, inbound messages that are
//! not acknowledged yet.

use std::collections::HashMap;

use async_trait::async_trait;
use wacore::store::{
    error::{Result, StoreError},
    traits::{DeviceListRecord, LidPnMappingEntry, PendingInboundKey, PendingInboundRow, ProtocolStore, TcTokenEntry},
};
use waypost_engine::NotStored;
use waypost_store::{KeyEntry, KeyKind};

use super::{SessionBackend, database, from_json, name, to_json};

#[async_trait]
impl ProtocolStore for SessionBackend {
    async fn get_sender_key_devices(&self, group_jid: &str) -> Result<Vec<(String, bool)>> {
        let prefix = group_prefix(group_jid);
        let entries = self.list(KeyKind::SenderKeyDevice, &prefix).await?;
        Ok(entries.into_iter().map(|entry| (entry.name[prefix.len()..].to_owned(), entry.tag != 0)).collect())
    }

    async fn set_sender_key_status(&self, group_jid: &str, entries: &[(&str, bool)]) -> Result<()> {
        let entries = entries
            .iter()
            .map(|(device, has_key)| KeyEntry {
                name: name(&[group_jid, device]),
                value: Vec::new(),
                tag: i64::from(*has_key),
            })
            .collect();
        self.put_many(KeyKind::SenderKeyDevice, entries).await
    }

    async fn clear_sender_key_devices(&self, group_jid: &str) -> Result<()> {
        self.delete_prefix(KeyKind::SenderKeyDevice, &group_prefix(group_jid)).await
    }

    async fn delete_sender_key_device_rows(&self, device_jids: &[&str]) -> Result<()> {
        if device_jids.is_empty() {
            return Ok(());
        }
        let names = self
            .list(KeyKind::SenderKeyDevice, "")
            .await?
            .into_iter()
            .map(|entry| entry.name)
            .filter(|name| name.split_once('/').is_some_and(|(_, device)| device_jids.contains(&device)))
            .collect();
        self.delete_many(KeyKind::SenderKeyDevice, names).await
    }

    async fn clear_all_sender_key_devices(&self) -> Result<()> {
        self.delete_prefix(KeyKind::SenderKeyDevice, "").await
    }

    async fn get_lid_mapping(&self, lid: &str) -> Result<Option<LidPnMappingEntry>> {
        let mapping = self.value(KeyKind::LidMapping, &by_lid(lid)).await?;
        mapping.map(|bytes| from_json(&bytes)).transpose()
    }

    async fn get_pn_mapping(&self, phone: &str) -> Result<Option<LidPnMappingEntry>> {
        let Some(lid) = self.value(KeyKind::LidMapping, &by_phone(phone)).await? else { return Ok(None) };
        let mapping = self.get_lid_mapping(&String::from_utf8_lossy(&lid)).await?;
        // A LID that moved to another number leaves its old number's row behind: it proves nothing any more.
        Ok(mapping.filter(|mapping| mapping.phone_number == phone))
    }

    async fn put_lid_mapping(&self, entry: &LidPnMappingEntry) -> Result<()> {
        self.put_lid_mappings(std::slice::from_ref(entry)).await
    }

    async fn put_lid_mappings(&self, entries: &[LidPnMappingEntry]) -> Result<()> {
        let _merging = self.merging.lock().await;
        let phones: Vec<String> = entries.iter().map(|entry| by_phone(&entry.phone_number)).collect();
        let present = self.keys.get_many(KeyKind::LidMapping, &phones).await.map_err(database)?;
        let mut newest: HashMap<String, i64> = present.into_iter().map(|entry| (entry.name, entry.tag)).collect();
        let mut rows = Vec::with_capacity(entries.len() * 2);
        for (phone, entry) in phones.into_iter().zip(entries) {
            rows.push(KeyEntry { name: by_lid(&entry.lid), value: to_json(entry)?, tag: entry.updated_at });
            // A number's row names the LID that was learned last, whatever the order in which they are written.
            if newest.get(&phone).is_none_or(|at| *at <= entry.updated_at) {
                newest.insert(phone.clone(), entry.updated_at);
                rows.push(KeyEntry { name: phone, value: entry.lid.clone().into_bytes(), tag: entry.updated_at });
            }
        }
        self.put_many(KeyKind::LidMapping, rows).await
    }

    async fn get_all_lid_mappings(&self) -> Result<Vec<LidPnMappingEntry>> {
        let entries = self.list(KeyKind::LidMapping, &by_lid("")).await?;
        entries.iter().map(|entry| from_json(&entry.value)).collect()
    }

    async fn save_base_key(&self, address: &str, message_id: &str, base_key: &[u8]) -> Result<()> {
        self.put(KeyKind::BaseKey, name(&[address, message_id]), base_key.to_vec()).await
    }

    async fn has_same_base_key(&self, address: &str, message_id: &str, current_base_key: &[u8]) -> Result<bool> {
        let saved = self.value(KeyKind::BaseKey, &name(&[address, message_id])).await?;
        Ok(saved.is_some_and(|saved| saved == current_base_key))
    }

    async fn delete_base_key(&self, address: &str, message_id: &str) -> Result<()> {
        self.delete(KeyKind::BaseKey, &name(&[address, message_id])).await
    }

    async fn update_device_list(&self, record: DeviceListRecord) -> Result<()> {
        self.update_device_lists(vec![record]).await
    }

    async fn update_device_lists(&self, records: Vec<DeviceListRecord>) -> Result<()> {
        let entries = records
            .iter()
            .map(|record| Ok(KeyEntry { name: name(&[&record.user]), value: to_json(record)?, tag: 0 }))
            .collect::<Result<_>>()?;
        self.put_many(KeyKind::DeviceList, entries).await
    }

    async fn get_devices(&self, user: &str) -> Result<Option<DeviceListRecord>> {
        let record = self.value(KeyKind::DeviceList, &name(&[user])).await?;
        record.map(|bytes| from_json(&bytes)).transpose()
    }

    async fn delete_devices(&self, user: &str) -> Result<()> {
        self.delete(KeyKind::DeviceList, &name(&[user])).await
    }

    async fn get_group_metadata(&self, group_jid: &str) -> Result<Option<Vec<u8>>> {
        self.value(KeyKind::Misc, &group_metadata(group_jid)).await
    }

    async fn put_group_metadata(&self, group_jid: &str, blob: &[u8]) -> Result<()> {
        self.put(KeyKind::Misc, group_metadata(group_jid), blob.to_vec()).await
    }

    async fn delete_group_metadata(&self, group_jid: &str) -> Result<()> {
        self.delete(KeyKind::Misc, &group_metadata(group_jid)).await
    }

    async fn get_tc_token(&self, jid: &str) -> Result<Option<TcTokenEntry>> {
        let token = self.value(KeyKind::TcToken, &name(&[jid])).await?;
        token.map(|bytes| from_json(&bytes)).transpose()
    }

    async fn put_tc_token(&self, jid: &str, entry: &TcTokenEntry) -> Result<()> {
        let _merging = self.merging.lock().await;
        self.write_tc_token(jid, entry).await
    }

    async fn delete_tc_token(&self, jid: &str) -> Result<()> {
        let _merging = self.merging.lock().await;
        self.delete(KeyKind::TcToken, &name(&[jid])).await
    }

    async fn get_all_tc_token_jids(&self) -> Result<Vec<String>> {
        Ok(self.list(KeyKind::TcToken, "").await?.into_iter().map(|entry| entry.name).collect())
    }

    async fn delete_expired_tc_tokens(&self, token_cutoff: i64, sender_cutoff: i64) -> Result<u32> {
        let _merging = self.merging.lock().await;
        let mut expired = Vec::new();
        for entry in self.list(KeyKind::TcToken, "").await? {
            let token: TcTokenEntry = from_json(&entry.value)?;
            let token_lives = !token.token.is_empty() && token.token_timestamp >= token_cutoff;
            let sender_lives = token.sender_timestamp.is_some_and(|at| at >= sender_cutoff);
            if !token_lives && !sender_lives {
                expired.push(entry.name);
            }
        }
        let count = u32::try_from(expired.len()).unwrap_or(u32::MAX);
        self.delete_many(KeyKind::TcToken, expired).await?;
        Ok(count)
    }

    async fn touch_tc_token_sender_timestamp(&self, jid: &str, sender_timestamp: i64) -> Result<()> {
        let _merging = self.merging.lock().await;
        let entry = match self.get_tc_token(jid).await? {
            Some(present) => TcTokenEntry {
                sender_timestamp: Some(
                    present.sender_timestamp.map_or(sender_timestamp, |at| at.max(sender_timestamp)),
                ),
                ..present
            },
            None => TcTokenEntry {
                token: Vec::new(),
                token_timestamp: sender_timestamp,
                sender_timestamp: Some(sender_timestamp),
            },
        };
        self.write_tc_token(jid, &entry).await
    }

    async fn store_received_tc_token(&self, jid: &str, token: &[u8], token_timestamp: i64) -> Result<()> {
        let _merging = self.merging.lock().await;
        let present = self.get_tc_token(jid).await?;
        // A real token is only replaced by one that is as new; a placeholder never stands in the way.
        if present
            .as_ref()
            .is_some_and(|present| !present.token.is_empty() && token_timestamp < present.token_timestamp)
        {
            return Ok(());
        }
        let sender_timestamp = present.and_then(|present| present.sender_timestamp);
        self.write_tc_token(jid, &TcTokenEntry { token: token.to_vec(), token_timestamp, sender_timestamp }).await
    }

    async fn store_sent_message(&self, chat_jid: &str, message_id: &str, payload: &[u8]) -> Result<()> {
        let entry = KeyEntry { name: name(&[chat_jid, message_id]), value: payload.to_vec(), tag: self.now_secs() };
        self.put_many(KeyKind::SentMessage, vec![entry]).await
    }

    /// The message stays until it is swept. The client takes a message to answer a retry and puts it back for the next
    /// one; a process killed in between, or a second device that asks at the same moment, would find nothing.
    async fn take_sent_message(&self, chat_jid: &str, message_id: &str) -> Result<Option<Vec<u8>>> {
        self.check_open()?;
        self.value(KeyKind::SentMessage, &name(&[chat_jid, message_id])).await
    }

    async fn delete_expired_sent_messages(&self, cutoff_timestamp: i64) -> Result<u32> {
        self.sweep(KeyKind::SentMessage, cutoff_timestamp).await
    }

    async fn store_pending_inbound(&self, chat: &str, sender: &str, id: &str, message: &[u8]) -> Result<()> {
        self.store_pending_inbound_batch(&[PendingInboundRow { chat, sender, id, message }]).await
    }

    async fn get_pending_inbound(&self, chat: &str, sender: &str, id: &str) -> Result<Option<Vec<u8>>> {
        let pending = self.value(KeyKind::PendingInbound, &name(&[chat, sender, id])).await?;
        // Without an answer the client confirms the message; an error makes it leave that.
        if pending.is_none()
            && let Some(recovery) = self.recovery.get()
        {
            let asked = |error: NotStored| StoreError::Validation(error.to_string());
            recovery.may_confirm(chat, sender, id).await.map_err(asked)?;
        }
        Ok(pending)
    }

    async fn delete_pending_inbound(&self, chat: &str, sender: &str, id: &str) -> Result<()> {
        self.delete(KeyKind::PendingInbound, &name(&[chat, sender, id])).await
    }

    async fn delete_expired_pending_inbound(&self, cutoff_timestamp: i64) -> Result<u32> {
        self.sweep(KeyKind::PendingInbound, cutoff_timestamp).await
    }

    async fn store_pending_inbound_batch(&self, rows: &[PendingInboundRow<'_>]) -> Result<()> {
        self.ratchet.moved();
        let now = self.now_secs();
        let entries = rows
            .iter()
            .map(|row| KeyEntry { name: name(&[row.chat, row.sender, row.id]), value: row.message.to_vec(), tag: now })
            .collect();
        self.put_many(KeyKind::PendingInbound, entries).await
    }

    async fn delete_pending_inbound_batch(&self, keys: &[PendingInboundKey<'_>]) -> Result<()> {
        let names = keys.iter().map(|key| name(&[key.chat, key.sender, key.id])).collect();
        self.delete_many(KeyKind::PendingInbound, names).await
    }
}

impl SessionBackend {
    /// Writes a token; the caller holds the merge lock.
    async fn write_tc_token(&self, jid: &str, entry: &TcTokenEntry) -> Result<()> {
        self.put(KeyKind::TcToken, name(&[jid]), to_json(entry)?).await
    }
}

fn group_prefix(group_jid: &str) -> String {
    name(&[group_jid, ""])
}

fn group_metadata(group_jid: &str) -> String {
    name(&["group", group_jid])
}

fn by_lid(lid: &str) -> String {
    name(&["lid", lid])
}

fn by_phone(phone: &str) -> String {
    name(&["pn", phone])
}
