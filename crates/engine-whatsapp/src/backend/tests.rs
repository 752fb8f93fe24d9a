//! The durability rules of docs/protocol.md, "Storage", each on a SQLite file.
//!
//! "On disk" is tested by closing the database and opening it anew: what the second store does not see was not
//! committed.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tempfile::TempDir;
use wacore::{
    appstate::{hash::HashState, processor::AppStateMutationMAC},
    store::{
        Device,
        traits::{
            AppStateSyncKey, AppSyncStore as _, Backend, DeviceInfo, DeviceListRecord, DeviceStore as _,
            LidPnMappingEntry, MsgSecretEntry, MsgSecretStore as _, PendingInboundKey, PendingInboundRow,
            ProtocolStore as _, SignalStore as _, TcTokenEntry,
        },
    },
};
use waypost_domain::{
    SessionId, Timestamp,
    env::{ManualClock, SeededEntropy},
};
use waypost_store::{MasterKey, Store, StoreConfig};

use super::*;

const START: Timestamp = Timestamp::from_secs(1_700_000_000);

struct Bench {
    folder: TempDir,
    env: Env,
    clock: ManualClock,
    session: SessionId,
    store: Store,
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::at(START);
        let env = Env::new(clock.clone(), SeededEntropy::new(7));
        let store = open(&folder, &env).await;
        Self { session: env.new_id(), folder, env, clock, store }
    }

    fn backend(&self) -> SessionBackend {
        SessionBackend::new(self.store.keys(self.session), self.env.clone(), Arc::default())
    }

    /// The same session after the process was stopped and started again.
    async fn restarted(&mut self) -> SessionBackend {
        self.store.close().await;
        self.store = open(&self.folder, &self.env).await;
        self.backend()
    }
}

async fn open(folder: &TempDir, env: &Env) -> Store {
    let config = StoreConfig {
        database_url: format!("sqlite://{}", folder.path().join("waypost.db").display()).parse().unwrap(),
        master_key: MasterKey::new([7; 32]),
        max_connections: 2,
    };
    Store::open(&config, env.clone()).await.unwrap()
}

fn address(text: &str) -> Arc<str> {
    Arc::from(text)
}

#[tokio::test]
async fn sessions_identities_and_sender_keys_are_on_disk_when_their_batch_returns() {
    let mut bench = Bench::new().await;
    let backend = bench.backend();
    let session = Bytes::from_static(b"session");
    backend
        .put_sessions_batch(&[(address("1@lid.0"), session.clone()), (address("1:2@lid.0"), session)])
        .await
        .unwrap();
    backend.put_identities_batch(&[(address("1@lid.0"), [3; 32])]).await.unwrap();
    backend.put_sender_keys_batch(&[(address("9@g.us::1@lid.0"), Bytes::from_static(b"chain"))]).await.unwrap();

    let backend = bench.restarted().await;
    assert_eq!(backend.get_session("1:2@lid.0").await.unwrap().as_deref(), Some(&b"session"[..]));
    assert!(backend.has_session("1@lid.0").await.unwrap());
    assert!(!backend.has_session("2@lid.0").await.unwrap());
    assert_eq!(backend.load_identity("1@lid.0").await.unwrap(), Some([3; 32]));
    assert_eq!(backend.get_sender_key("9@g.us::1@lid.0").await.unwrap().as_deref(), Some(&b"chain"[..]));
}

#[tokio::test]
async fn a_batch_that_did_not_reach_the_disk_is_an_error() {
    let bench = Bench::new().await;
    let backend = bench.backend();
    bench.store.close().await;
    assert!(backend.put_sessions_batch(&[(address("1@lid.0"), Bytes::from_static(b"x"))]).await.is_err());
    assert!(backend.store_prekeys_batch(&[(1, Bytes::from_static(b"x"))], false).await.is_err());
    let row = PendingInboundRow { chat: "c", sender: "s", id: "i", message: b"m" };
    assert!(backend.store_pending_inbound_batch(&[row]).await.is_err());
}

#[tokio::test]
async fn a_deletion_stays_deleted() {
    let mut bench = Bench::new().await;
    let backend = bench.backend();
    backend.put_session("1@lid.0", b"old").await.unwrap();
    backend.put_identity("1@lid.0", [1; 32]).await.unwrap();
    backend.put_sender_key("g::1@lid.0", b"old").await.unwrap();
    backend.delete_session("1@lid.0").await.unwrap();
    backend.delete_identity("1@lid.0").await.unwrap();
    backend.delete_sender_key("g::1@lid.0").await.unwrap();

    let backend = bench.restarted().await;
    assert_eq!(backend.get_session("1@lid.0").await.unwrap(), None);
    assert_eq!(backend.load_identity("1@lid.0").await.unwrap(), None);
    assert_eq!(backend.get_sender_key("g::1@lid.0").await.unwrap(), None);
}

#[tokio::test]
async fn a_sealed_backend_reads_and_never_writes() {
    let bench = Bench::new().await;
    let backend = bench.backend();
    backend.put_session("1@lid.0", b"kept").await.unwrap();
    backend.seal();
    assert!(backend.put_session("1@lid.0", b"late").await.is_err());
    assert!(backend.delete_session("1@lid.0").await.is_err());
    assert!(backend.save(&Device::new()).await.is_err());
    assert!(backend.take_sent_message("c", "i").await.is_err());
    assert_eq!(bench.backend().get_session("1@lid.0").await.unwrap().as_deref(), Some(&b"kept"[..]));
}

#[tokio::test]
async fn a_person_has_signal_state_under_any_device_of_theirs_and_nobody_elses() {
    let bench = Bench::new().await;
    let backend = bench.backend();
    backend.put_session("4915:3@s.whatsapp.net", b"x").await.unwrap();
    backend.put_identity("77@lid", [1; 32]).await.unwrap();
    assert!(backend.has_signal_state_for_user("4915").await.unwrap());
    assert!(backend.has_signal_state_for_user("77").await.unwrap());
    assert!(!backend.has_signal_state_for_user("491").await.unwrap());
    assert!(!backend.has_signal_state_for_user("7").await.unwrap());
}

#[tokio::test]
async fn marking_prekeys_as_uploaded_never_brings_a_consumed_one_back() {
    let mut bench = Bench::new().await;
    let backend = bench.backend();
    let keys: Vec<(u32, Bytes)> = (1..=3).map(|id| (id, Bytes::from(vec![u8::try_from(id).unwrap()]))).collect();
    backend.store_prekeys_batch(&keys, false).await.unwrap();
    backend.remove_prekey(2).await.unwrap();
    backend.mark_prekeys_uploaded(&[1, 2, 3]).await.unwrap();

    let backend = bench.restarted().await;
    assert_eq!(backend.load_prekey(2).await.unwrap(), None);
    let mut present = backend.load_prekeys_batch(&[1, 2, 3]).await.unwrap();
    present.sort();
    assert_eq!(present, [(1, Bytes::from(vec![1])), (3, Bytes::from(vec![3]))]);
    let tag = backend.entry(KeyKind::PreKey, &number(3)).await.unwrap().unwrap().tag;
    assert_eq!(tag, 1, "an uploaded prekey is marked");
}

#[tokio::test]
async fn the_greatest_prekey_is_found_by_number_not_by_text() {
    let bench = Bench::new().await;
    let backend = bench.backend();
    assert_eq!(backend.get_max_prekey_id().await.unwrap(), 0);
    for id in [9, 10, 100_000, 99] {
        backend.store_prekey(id, b"k", false).await.unwrap();
    }
    assert_eq!(backend.get_max_prekey_id().await.unwrap(), 100_000);
    backend.remove_prekey(100_000).await.unwrap();
    assert_eq!(backend.get_max_prekey_id().await.unwrap(), 99);
}

#[tokio::test]
async fn rotation_keeps_earlier_signed_prekeys_until_they_are_removed() {
    let mut bench = Bench::new().await;
    let backend = bench.backend();
    backend.store_signed_prekey(1, b"one").await.unwrap();
    backend.store_signed_prekey(2, b"two").await.unwrap();
    let backend = bench.restarted().await;
    assert_eq!(backend.load_all_signed_prekeys().await.unwrap(), [(1, b"one".to_vec()), (2, b"two".to_vec())]);
    backend.remove_signed_prekey(1).await.unwrap();
    assert_eq!(backend.load_signed_prekey(1).await.unwrap(), None);
    assert_eq!(backend.load_signed_prekey(2).await.unwrap(), Some(b"two".to_vec()));
}

#[tokio::test]
async fn app_state_survives_with_its_latest_key_and_is_cleared_by_collection() {
    let mut bench = Bench::new().await;
    let backend = bench.backend();
    assert_eq!(backend.get_version("regular").await.unwrap().version, 0);
    assert_eq!(backend.get_latest_sync_key_id().await.unwrap(), None);
    for id in [[0, 0, 0, 0, 0, 2], [0, 0, 0, 0, 0, 1]] {
        let key = AppStateSyncKey { key_data: vec![id[5]; 32], fingerprint: vec![1], timestamp: 5 };
        backend.set_sync_key(&id, key).await.unwrap();
    }
    let state = HashState { version: 12, hash: [9; 128], ..HashState::default() };
    backend.set_version("regular", state).await.unwrap();
    let mac = |byte: u8| AppStateMutationMAC { index_mac: vec![byte; 32], value_mac: vec![byte, byte] };
    backend.put_mutation_macs("regular", 12, &[mac(1), mac(2)]).await.unwrap();
    backend.put_mutation_macs("regular_low", 3, &[mac(1)]).await.unwrap();

    let backend = bench.restarted().await;
    assert_eq!(backend.get_latest_sync_key_id().await.unwrap(), Some(vec![0, 0, 0, 0, 0, 1]), "the last that came");
    assert_eq!(backend.get_sync_key(&[0, 0, 0, 0, 0, 2]).await.unwrap().unwrap().key_data, vec![2; 32]);
    let state = backend.get_version("regular").await.unwrap();
    assert_eq!((state.version, state.hash), (12, [9; 128]));
    let macs = backend.get_mutation_macs("regular", &[[1; 32], [2; 32], [3; 32]]).await.unwrap();
    assert_eq!(macs.len(), 2);
    assert_eq!(macs[&[2; 32]], vec![2, 2]);
    backend.delete_mutation_macs("regular", &[vec![1; 32]]).await.unwrap();
    assert_eq!(backend.get_mutation_mac("regular", &[1; 32]).await.unwrap(), None);
    backend.clear_mutation_macs("regular").await.unwrap();
    assert_eq!(backend.get_mutation_mac("regular", &[2; 32]).await.unwrap(), None);
    assert_eq!(backend.get_mutation_mac("regular_low", &[1; 32]).await.unwrap(), Some(vec![1, 1]));
}

#[tokio::test]
async fn who_has_a_groups_sender_key_is_known_by_group_and_forgotten_by_device() {
    let mut bench = Bench::new().await;
    let backend = bench.backend();
    backend.set_sender_key_status("1@g.us", &[("a:1@lid", true), ("b:1@lid", true)]).await.unwrap();
    backend.set_sender_key_status("1@g.us", &[("b:1@lid", false)]).await.unwrap();
    backend.set_sender_key_status("11@g.us", &[("a:1@lid", true)]).await.unwrap();
    let backend = bench.restarted().await;
    let devices = backend.get_sender_key_devices("1@g.us").await.unwrap();
    assert_eq!(devices, [("a:1@lid".to_owned(), true), ("b:1@lid".to_owned(), false)]);
    backend.delete_sender_key_device_rows(&["a:1@lid"]).await.unwrap();
    assert_eq!(backend.get_sender_key_devices("1@g.us").await.unwrap(), [("b:1@lid".to_owned(), false)]);
    assert!(backend.get_sender_key_devices("11@g.us").await.unwrap().is_empty());
    backend.clear_sender_key_devices("1@g.us").await.unwrap();
    assert!(backend.get_sender_key_devices("1@g.us").await.unwrap().is_empty());
    backend.set_sender_key_status("2@g.us", &[("a:1@lid", true)]).await.unwrap();
    backend.clear_all_sender_key_devices().await.unwrap();
    assert!(backend.get_sender_key_devices("2@g.us").await.unwrap().is_empty());
}

fn mapping(lid: &str, phone: &str, updated_at: i64) -> LidPnMappingEntry {
    LidPnMappingEntry {
        lid: lid.to_owned(),
        phone_number: phone.to_owned(),
        created_at: 1,
        updated_at,
        learning_source: "usync".to_owned(),
    }
}

#[tokio::test]
async fn a_mapping_is_found_from_both_sides_and_the_newest_lid_wins() {
    let mut bench = Bench::new().await;
    let backend = bench.backend();
    backend.put_lid_mappings(&[mapping("100", "4915", 10), mapping("101", "4915", 20)]).await.unwrap();
    backend.put_lid_mapping(&mapping("100", "4915", 15)).await.unwrap();
    let backend = bench.restarted().await;
    assert_eq!(backend.get_pn_mapping("4915").await.unwrap().unwrap().lid, "101");
    assert_eq!(backend.get_lid_mapping("100").await.unwrap().unwrap().updated_at, 15);
    assert_eq!(backend.get_all_lid_mappings().await.unwrap().len(), 2);
    assert!(backend.get_pn_mapping("491").await.unwrap().is_none());
}

#[tokio::test]
async fn a_lid_that_moved_to_another_number_leaves_its_old_number_without_one() {
    let bench = Bench::new().await;
    let backend = bench.backend();
    backend.put_lid_mapping(&mapping("100", "4915", 10)).await.unwrap();
    backend.put_lid_mapping(&mapping("100", "4916", 20)).await.unwrap();
    assert!(backend.get_pn_mapping("4915").await.unwrap().is_none());
    assert_eq!(backend.get_pn_mapping("4916").await.unwrap().unwrap().lid, "100");
}

#[tokio::test]
async fn a_base_key_is_compared_by_address_and_message() {
    let bench = Bench::new().await;
    let backend = bench.backend();
    backend.save_base_key("1@lid.0", "A", b"key").await.unwrap();
    assert!(backend.has_same_base_key("1@lid.0", "A", b"key").await.unwrap());
    assert!(!backend.has_same_base_key("1@lid.0", "A", b"other").await.unwrap());
    assert!(!backend.has_same_base_key("1@lid.0", "B", b"key").await.unwrap());
    backend.delete_base_key("1@lid.0", "A").await.unwrap();
    assert!(!backend.has_same_base_key("1@lid.0", "A", b"key").await.unwrap());
}

#[tokio::test]
async fn device_lists_and_group_metadata_survive() {
    let mut bench = Bench::new().await;
    let record = DeviceListRecord {
        user: "100".to_owned(),
        devices: vec![DeviceInfo::new(0, None), DeviceInfo::new(3, Some(7))],
        timestamp: 5,
        phash: Some("2:abc".to_owned()),
        raw_id: Some(9),
    };
    let backend = bench.backend();
    backend.update_device_lists(vec![record]).await.unwrap();
    backend.put_group_metadata("1@g.us", b"group").await.unwrap();
    let backend = bench.restarted().await;
    let record = backend.get_devices("100").await.unwrap().unwrap();
    assert_eq!((record.devices.len(), record.devices[1].key_index, record.raw_id), (2, Some(7), Some(9)));
    assert_eq!(backend.get_group_metadata("1@g.us").await.unwrap().as_deref(), Some(&b"group"[..]));
    backend.delete_devices("100").await.unwrap();
    backend.delete_group_metadata("1@g.us").await.unwrap();
    assert!(backend.get_devices("100").await.unwrap().is_none());
    assert!(backend.get_group_metadata("1@g.us").await.unwrap().is_none());
}

#[tokio::test]
async fn a_trust_token_and_the_time_of_ours_never_overwrite_each_other() {
    let bench = Bench::new().await;
    let backend = bench.backend();
    backend.touch_tc_token_sender_timestamp("1@lid", 9000).await.unwrap();
    backend.store_received_tc_token("1@lid", b"first", 6000).await.unwrap();
    backend.store_received_tc_token("1@lid", b"stale", 5000).await.unwrap();
    backend.touch_tc_token_sender_timestamp("1@lid", 8000).await.unwrap();
    let token = backend.get_tc_token("1@lid").await.unwrap().unwrap();
    assert_eq!(
        (token.token.as_slice(), token.token_timestamp, token.sender_timestamp),
        (&b"first"[..], 6000, Some(9000))
    );
    backend.store_received_tc_token("1@lid", b"newer", 7000).await.unwrap();
    assert_eq!(backend.get_tc_token("1@lid").await.unwrap().unwrap().token, b"newer");
    assert_eq!(backend.get_all_tc_token_jids().await.unwrap(), ["1@lid"]);
}

#[tokio::test]
async fn a_trust_token_expires_only_when_both_sides_of_it_have() {
    let bench = Bench::new().await;
    let backend = bench.backend();
    let token = |token: &[u8], token_timestamp, sender_timestamp| TcTokenEntry {
        token: token.to_vec(),
        token_timestamp,
        sender_timestamp,
    };
    backend.put_tc_token("fresh", &token(b"t", 5000, None)).await.unwrap();
    backend.put_tc_token("old", &token(b"t", 1, None)).await.unwrap();
    backend.put_tc_token("old-but-ours-is-live", &token(b"t", 1, Some(2500))).await.unwrap();
    backend.put_tc_token("placeholder", &token(b"", 5000, Some(100))).await.unwrap();
    assert_eq!(backend.delete_expired_tc_tokens(1000, 2000).await.unwrap(), 2);
    assert_eq!(backend.get_all_tc_token_jids().await.unwrap(), ["fresh", "old-but-ours-is-live"]);
}

#[tokio::test]
async fn a_sent_message_answers_retries_for_two_hours_also_after_a_restart() {
    let mut bench = Bench::new().await;
    let backend = bench.backend();
    backend.store_sent_message("1@lid", "OLD", b"old").await.unwrap();
    bench.clock.advance(Duration::from_hours(2));
    backend.store_sent_message("1@lid", "NEW", b"new").await.unwrap();
    let backend = bench.restarted().await;
    let now = bench.env.now().as_millis() / 1000;
    assert_eq!(backend.delete_expired_sent_messages(now - 7200).await.unwrap(), 0, "two hours old is not older");
    assert_eq!(backend.delete_expired_sent_messages(now - 7199).await.unwrap(), 1);
    assert_eq!(backend.take_sent_message("1@lid", "OLD").await.unwrap(), None);
    let (one, other) =
        tokio::join!(backend.take_sent_message("1@lid", "NEW"), backend.take_sent_message("1@lid", "NEW"));
    let new = Some(b"new".to_vec());
    assert_eq!([one.unwrap(), other.unwrap()], [new.clone(), new.clone()], "two devices may ask at once");
    // The process is killed before the client puts the message back.
    assert_eq!(bench.restarted().await.take_sent_message("1@lid", "NEW").await.unwrap(), new);
    assert_eq!(bench.backend().take_sent_message("2@lid", "NEW").await.unwrap(), None, "nobody gets another's message");
}

#[tokio::test]
async fn a_pending_inbound_message_is_on_disk_until_it_is_deleted() {
    let mut bench = Bench::new().await;
    let backend = bench.backend();
    let row = |id, message| PendingInboundRow { chat: "1@g.us", sender: "2:1@lid", id, message };
    backend.store_pending_inbound_batch(&[row("A", b"a"), row("B", b"b"), row("A", b"a2")]).await.unwrap();
    let backend = bench.restarted().await;
    assert_eq!(backend.get_pending_inbound("1@g.us", "2:1@lid", "A").await.unwrap().as_deref(), Some(&b"a2"[..]));
    assert_eq!(backend.get_pending_inbound("1@g.us", "3:1@lid", "A").await.unwrap(), None);
    backend
        .delete_pending_inbound_batch(&[PendingInboundKey { chat: "1@g.us", sender: "2:1@lid", id: "A" }])
        .await
        .unwrap();
    assert_eq!(backend.get_pending_inbound("1@g.us", "2:1@lid", "A").await.unwrap(), None);
    bench.clock.advance(Duration::from_secs(10));
    let now = bench.env.now().as_millis() / 1000;
    assert_eq!(backend.delete_expired_pending_inbound(now).await.unwrap(), 1);
}

#[tokio::test]
async fn a_message_secret_keeps_the_longer_expiry_and_the_known_time() {
    let mut bench = Bench::new().await;
    let backend = bench.backend();
    let secret = |id: &str, byte, expires_at, message_ts| MsgSecretEntry {
        chat: Arc::from("c"),
        sender: Arc::from("s"),
        msg_id: Arc::from(id),
        secret: [byte; 32],
        expires_at,
        message_ts,
    };
    let entries =
        vec![secret("MAX", 1, 100, 50), secret("MAX", 2, 90, 0), secret("NEVER", 1, 0, 7), secret("NEVER", 1, 100, 7)];
    assert_eq!(backend.put_msg_secrets(entries).await.unwrap(), 4);
    backend.put_msg_secrets(vec![secret("MAX", 3, 80, 60)]).await.unwrap();

    let backend = bench.restarted().await;
    let (value, message_ts) = backend.get_msg_secret_with_ts("c", "s", "MAX").await.unwrap().unwrap();
    assert_eq!((value, message_ts), (vec![3; 32], 60));
    assert_eq!(backend.delete_expired_msg_secrets(99).await.unwrap(), 0);
    assert_eq!(backend.delete_expired_msg_secrets(100).await.unwrap(), 1, "expired at its deadline");
    assert_eq!(backend.get_msg_secret("c", "s", "MAX").await.unwrap(), None);
    assert!(backend.get_msg_secret("c", "s", "NEVER").await.unwrap().is_some(), "0 never expires");
}

#[tokio::test]
async fn a_device_comes_back_whole_and_is_created_once() {
    let mut bench = Bench::new().await;
    let backend = bench.backend();
    assert!(!backend.exists().await.unwrap());
    backend.create().await.unwrap();
    let mut device = backend.load().await.unwrap().unwrap();
    device.pn = Some("4915112345678:3@s.whatsapp.net".parse().unwrap());
    device.lid = Some("100000000000001:3@lid".parse().unwrap());
    device.push_name = "Asha".to_owned();
    device.next_pre_key_id = 201;
    backend.save(&device).await.unwrap();

    let backend = bench.restarted().await;
    backend.create().await.unwrap();
    let loaded = backend.load().await.unwrap().unwrap();
    assert_eq!(serde_json::to_value(&loaded).unwrap(), serde_json::to_value(&device).unwrap());
    assert_eq!(loaded.identity_key.public_key, device.identity_key.public_key);
}

#[tokio::test]
async fn an_id_of_any_length_fits() {
    let bench = Bench::new().await;
    let backend = bench.backend();
    let long = "x".repeat(100_000);
    let longer = "x".repeat(100_001);
    backend.store_pending_inbound("c@lid", "s@lid", &long, b"one").await.unwrap();
    assert_eq!(backend.get_pending_inbound("c@lid", "s@lid", &long).await.unwrap().as_deref(), Some(&b"one"[..]));
    assert_eq!(backend.get_pending_inbound("c@lid", "s@lid", &longer).await.unwrap(), None);
    assert!(name(&["c@lid", "s@lid", &long]).len() < 256);
}

#[tokio::test]
async fn sessions_do_not_see_each_others_keys() {
    let bench = Bench::new().await;
    let other = SessionBackend::new(bench.store.keys(bench.env.new_id()), bench.env.clone(), Arc::default());
    bench.backend().put_session("1@lid.0", b"mine").await.unwrap();
    assert_eq!(other.get_session("1@lid.0").await.unwrap(), None);
}

#[test]
fn it_is_all_that_a_client_needs() {
    fn takes<T: Backend>() {}
    takes::<SessionBackend>();
}
