//! Linking and unlinking companions, and telling those who keep a list. wire.md 2.4, "When a companion
//! is added/removed tell contacts": senders keep a device list without expiry.

use crate::account::{Account, Device};
use crate::core::Core;
use crate::crypto;
use crate::mailbox::{Class, Item};
use crate::pairing::adv;
use crate::phone::Phone;
use crate::phone::keys::PhoneKeys;
use crate::prekeys::KeyStore;
use crate::presence;
use crate::stanza;
use std::collections::VecDeque;
use std::sync::Arc;
use wacore::pair::{DeviceState, PairUtils};
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{CompactString, Server};
use wacore_libsignal::protocol::CurveError;

/// Adds a companion and tells the account's other companions and everyone who asked for the list.
pub(crate) fn link(core: &Core, account: &Arc<Account>, device: Device) -> Arc<Device> {
    let device = Arc::new(device);
    account.link(Arc::clone(&device), core.clock.secs());
    tell(core, account, &device, "add");
    device
}

/// Adds a pretend companion: a Signal endpoint with keys and a book of its own, which decrypts and sends receipts like a
/// phone, and says nothing by itself.
pub(crate) fn add_played(core: &Core, account: &Arc<Account>) -> Result<Arc<Device>, PlayError> {
    let index = account.next_index();
    let keys = PhoneKeys::generate();
    let identity = crypto::raw(&keys.identity().public_key);
    let adv_secret_key = crypto::random();
    let primary = account.phone().keys().identity();
    let now = core.clock.secs();
    let signed = adv::sign(primary, account.raw_id, u32::from(index), now, &identity, &adv_secret_key)?;
    // The companion's half is done by the clients' own code.
    let state = DeviceState { identity_key: keys.identity().clone(), noise_key: crypto::key_pair(), adv_secret_key };
    let (answer, _) = PairUtils::do_pair_crypto(&state, &signed.container).map_err(|_| PlayError::Proof)?;
    let proof = adv::complete(&answer, &signed, &identity).ok_or(PlayError::Proof)?;
    // Nobody asks the server for these: a pretend companion hands out its own.
    let bundle = keys.bundle();
    let store = KeyStore {
        registration: bundle.registration,
        identity: bundle.identity,
        signed: bundle.signed,
        one_time: VecDeque::new(),
    };
    let (player, jobs) = Phone::companion(keys, index, proof.clone(), &core.works);
    let player = Arc::new(player);
    core.start_phone(account, &player, jobs, None);
    let device = Device::new(index, u32::from(index), crypto::random(), proof, store).played(player);
    Ok(link(core, account, device))
}

/// Why a pretend companion could not be linked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlayError {
    #[error("its identity could not be signed: {0}")]
    Sign(#[from] CurveError),
    #[error("its proof does not hold")]
    Proof,
}

/// Removes a companion, ends its connection with `device_removed`, and tells the others.
pub(crate) fn unlink(core: &Core, account: &Arc<Account>, id: u16) -> bool {
    let Some(device) = account.unlink(id, core.clock.secs()) else {
        return false;
    };
    presence::gone(core, account, &device);
    if let Some(outbox) = device.mailbox().outbox() {
        outbox.push(stanza::encode(&stanza::stream_error(Some(401), Some("device_removed"))));
        outbox.finish();
    }
    tell(core, account, &device, "remove");
    true
}

fn tell(core: &Core, account: &Arc<Account>, device: &Device, change: &'static str) {
    let Ok((ts, list)) = account.key_index_list() else {
        return;
    };
    let id = core.stanza_id();
    let from = account.jid(Server::Pn);
    let mut key_index_list = NodeBuilder::new("key-index-list").attr("ts", ts);
    let mut entry = NodeBuilder::new("device")
        .attr("jid", from.with_device(device.id))
        .attr("lid", account.jid(Server::Lid).with_device(device.id));
    if change == "add" {
        key_index_list = key_index_list.bytes(list);
        entry = entry.attr("key-index", device.key_index);
    }
    let node = NodeBuilder::new("notification")
        .attr("from", &from)
        .attr("lid", account.jid(Server::Lid))
        .attr("id", &*id)
        .attr("type", "devices")
        .attr("t", core.clock.secs())
        .children([NodeBuilder::new(change).children([entry.build(), key_index_list.build()]).build()])
        .build();
    let bytes = stanza::encode(&node);
    let item = || Item {
        class: Class::Notification,
        id: CompactString::from(&*id),
        from: from.clone(),
        kind: Some("devices".into()),
        stanza: bytes.clone(),
    };
    for other in account.devices() {
        if other.id != device.id {
            other.mailbox().push(item());
        }
    }
    for (pn, watcher) in account.watchers() {
        if pn == account.pn {
            continue;
        }
        if let Some(watcher) = core.directory.by_pn(&pn).and_then(|account| account.device(watcher)) {
            watcher.mailbox().push(item());
        }
    }
}
