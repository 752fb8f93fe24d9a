//! The state that a phone shares with its companions: sync keys, versions of collections, mutation MACs.
//!
//! The client writes a collection's MACs and its version in two calls, so a crash between them can leave the two
//! apart. It notices by the collection's hash and takes a fresh snapshot, before which it clears the MACs here.

use std::collections::HashMap;

use async_trait::async_trait;
use wacore::{
    appstate::{hash::HashState, processor::AppStateMutationMAC},
    store::{
        error::Result,
        traits::{AppStateSyncKey, AppSyncStore},
    },
};
use waypost_store::{KeyEntry, KeyKind};

use super::{SessionBackend, database, from_json, hex, name as join, to_json};

/// Under [`KeyKind::Misc`]: the id of the sync key that came last.
const LATEST_SYNC_KEY: &str = "latest-sync-key";

#[async_trait]
impl AppSyncStore for SessionBackend {
    async fn get_sync_key(&self, key_id: &[u8]) -> Result<Option<AppStateSyncKey>> {
        let key = self.value(KeyKind::SyncKey, &join(&[&hex(key_id)])).await?;
        key.map(|bytes| from_json(&bytes)).transpose()
    }

    async fn set_sync_key(&self, key_id: &[u8], key: AppStateSyncKey) -> Result<()> {
        self.put(KeyKind::SyncKey, join(&[&hex(key_id)]), to_json(&key)?).await?;
        // Second, so that it never names a key that is not there.
        self.put(KeyKind::Misc, LATEST_SYNC_KEY.to_owned(), key_id.to_vec()).await
    }

    async fn get_version(&self, name: &str) -> Result<HashState> {
        let version = self.value(KeyKind::SyncVersion, &join(&[name])).await?;
        version.map_or_else(|| Ok(HashState::default()), |bytes| from_json(&bytes))
    }

    async fn set_version(&self, name: &str, state: HashState) -> Result<()> {
        self.put(KeyKind::SyncVersion, join(&[name]), to_json(&state)?).await
    }

    async fn put_mutation_macs(&self, name: &str, _version: u64, mutations: &[AppStateMutationMAC]) -> Result<()> {
        let entries = mutations
            .iter()
            .map(|mac| KeyEntry { name: mac_name(name, &mac.index_mac), value: mac.value_mac.clone(), tag: 0 })
            .collect();
        self.put_many(KeyKind::MutationMac, entries).await
    }

    async fn get_mutation_mac(&self, name: &str, index_mac: &[u8]) -> Result<Option<Vec<u8>>> {
        self.value(KeyKind::MutationMac, &mac_name(name, index_mac)).await
    }

    async fn get_mutation_macs(&self, name: &str, index_macs: &[[u8; 32]]) -> Result<HashMap<[u8; 32], Vec<u8>>> {
        let by_name: HashMap<String, [u8; 32]> =
            index_macs.iter().map(|index_mac| (mac_name(name, index_mac), *index_mac)).collect();
        let names: Vec<String> = by_name.keys().cloned().collect();
        let entries = self.keys.get_many(KeyKind::MutationMac, &names).await.map_err(database)?;
        Ok(entries
            .into_iter()
            .filter_map(|entry| by_name.get(&entry.name).map(|index_mac| (*index_mac, entry.value)))
            .collect())
    }

    async fn delete_mutation_macs(&self, name: &str, index_macs: &[Vec<u8>]) -> Result<()> {
        let names = index_macs.iter().map(|index_mac| mac_name(name, index_mac)).collect();
        self.delete_many(KeyKind::MutationMac, names).await
    }

    async fn clear_mutation_macs(&self, name: &str) -> Result<()> {
        self.delete_prefix(KeyKind::MutationMac, &join(&[name, ""])).await
    }

    async fn get_latest_sync_key_id(&self) -> Result<Option<Vec<u8>>> {
        self.value(KeyKind::Misc, LATEST_SYNC_KEY).await
    }
}

fn mac_name(collection: &str, index_mac: &[u8]) -> String {
    join(&[collection, &hex(index_mac)])
}
