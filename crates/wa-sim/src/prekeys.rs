//! A companion's key bundle on the server: upload, count, digest, rotate, and fetch with one-time keys
//! popped. wire.md 2.3.3, 2.3.5, 2.4.3.

use crate::account::{Account, Device};
use crate::core::Core;
use crate::mailbox::{Class, Item};
use crate::stanza::{self, blob, child_array, child_bytes, child_uint, error};
use std::collections::VecDeque;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{CompactString, Jid, Node, NodeRef};
use wacore_libsignal::crypto::CryptographicHash;

/// Unused one-time keys kept for one device; a client uploads 812.
const MAX_ONE_TIME: usize = 10_000;
/// At this many left the device is told to upload more.
const LOW_WATER: usize = 10;
/// Curve25519, the only key type there is.
const KEY_TYPE: u8 = 5;

/// A signed prekey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SignedKey {
    pub(crate) id: u32,
    pub(crate) value: [u8; 32],
    pub(crate) signature: [u8; 64],
}

/// What the server holds for one companion.
#[derive(Debug, Clone)]
pub(crate) struct KeyStore {
    pub(crate) registration: u32,
    pub(crate) identity: [u8; 32],
    pub(crate) signed: SignedKey,
    pub(crate) one_time: VecDeque<(u32, [u8; 32])>,
}

/// What a sender gets to start a session with one device.
#[derive(Debug, Clone)]
pub(crate) struct Bundle {
    pub(crate) registration: u32,
    pub(crate) identity: [u8; 32],
    pub(crate) signed: SignedKey,
    pub(crate) one_time: Option<(u32, [u8; 32])>,
    /// Companions only: the ADV proof that they belong to the account.
    pub(crate) device_identity: Option<Vec<u8>>,
}

impl KeyStore {
    fn pop(&mut self) -> Option<(u32, [u8; 32])> {
        self.one_time.pop_front()
    }

    /// Reads `<skey>`.
    fn signed_key(node: &NodeRef<'_>) -> Option<SignedKey> {
        let skey = node.get_optional_child("skey")?;
        Some(SignedKey {
            id: child_uint(skey, "id")?,
            value: child_array(skey, "value")?,
            signature: child_array(skey, "signature")?,
        })
    }

    /// Takes an upload; `None` when it is malformed, and then nothing was changed.
    fn upload(&mut self, iq: &NodeRef<'_>) -> Option<()> {
        let mut fresh = VecDeque::new();
        for key in iq.get_optional_child("list")?.get_children_by_tag("key") {
            fresh.push_back((child_uint(key, "id")?, child_array(key, "value")?));
        }
        let signed = Self::signed_key(iq)?;
        let registration = child_uint(iq, "registration")?;
        if child_array(iq, "identity")? != self.identity {
            return None;
        }
        self.registration = registration;
        self.signed = signed;
        self.one_time.retain(|(id, _)| !fresh.iter().any(|(other, _)| other == id));
        self.one_time.append(&mut fresh);
        while self.one_time.len() > MAX_ONE_TIME {
            self.one_time.pop_front();
        }
        Some(())
    }

    /// `<digest>`: SHA-1 over identity, signed key, its signature and the one-time keys in order.
    fn digest(&self) -> Node {
        let mut ids = Vec::with_capacity(self.one_time.len());
        let mut hash = CryptographicHash::new("SHA-1").ok();
        let mut feed = |bytes: &[u8]| {
            if let Some(hash) = &mut hash {
                hash.update(bytes);
            }
        };
        feed(&self.identity);
        feed(&self.signed.value);
        feed(&self.signed.signature);
        for (id, value) in &self.one_time {
            feed(value);
            ids.push(blob("id", id3(*id)));
        }
        let hash = hash.map(|mut hash| hash.finalize()).unwrap_or_default();
        NodeBuilder::new("digest")
            .children([
                blob("registration", self.registration.to_be_bytes()),
                blob("type", [KEY_TYPE]),
                blob("identity", self.identity),
                skey_node(&self.signed),
                NodeBuilder::new("list").children(ids).build(),
                blob("hash", hash),
            ])
            .build()
    }
}

/// Answers an iq of namespace `encrypt`.
pub(crate) fn answer(core: &Core, asker: &Account, device: &Device, iq: &NodeRef<'_>, id: &str) -> Node {
    if let Some(request) = iq.get_optional_child("key") {
        let users = request
            .get_children_by_tag("user")
            .filter_map(|user| stanza::jid_attr(user, "jid"))
            .map(|jid| bundle_node(core, (asker, device), &jid))
            .collect::<Vec<_>>();
        return stanza::iq_result(id, vec![NodeBuilder::new("list").children(users).build()]);
    }
    if iq.get_optional_child("count").is_some() {
        let count = device.keys().one_time.len();
        return stanza::iq_result(id, vec![NodeBuilder::new("count").attr("value", count).build()]);
    }
    if iq.get_optional_child("digest").is_some() {
        let digest = device.keys().digest();
        return stanza::iq_result(id, vec![digest]);
    }
    if let Some(rotate) = iq.get_optional_child("rotate") {
        return match KeyStore::signed_key(rotate) {
            Some(signed) => {
                device.keys().signed = signed;
                stanza::iq_result(id, Vec::new())
            }
            None => stanza::iq_error(id, 400, "bad-request"),
        };
    }
    if iq.get_optional_child("list").is_some() {
        let taken = device.keys().upload(iq);
        return match taken {
            Some(()) => stanza::iq_result(id, Vec::new()),
            None => stanza::iq_error(id, 406, "not-acceptable"),
        };
    }
    stanza::iq_result(id, Vec::new())
}

/// `<user jid=…>` with a bundle, or with the error that names a device which does not exist.
fn bundle_node(core: &Core, asker: (&Account, &Device), jid: &Jid) -> Node {
    let user = NodeBuilder::new("user").attr("jid", jid);
    let Some(account) = core.directory.find(jid) else {
        return user.children([error(404, "item-not-found")]).build();
    };
    account.watch(asker.0, asker.1.id);
    let Some(bundle) = take_bundle(core, &account, jid.device) else {
        return user.children([error(406, "not-acceptable")]).build();
    };
    let mut children = vec![
        blob("registration", bundle.registration.to_be_bytes()),
        blob("type", [KEY_TYPE]),
        blob("identity", bundle.identity),
        skey_node(&bundle.signed),
    ];
    if let Some((id, value)) = bundle.one_time {
        children.push(NodeBuilder::new("key").children([blob("id", id3(id)), blob("value", value)]).build());
    }
    if let Some(proof) = bundle.device_identity {
        children.push(blob("device-identity", proof));
    }
    user.children(children).build()
}

/// A bundle for one device of an account, with one of its one-time keys used up.
pub(crate) fn take_bundle(core: &Core, account: &Account, device: u16) -> Option<Bundle> {
    if let Some(player) = account.player(device) {
        return Some(player.bundle());
    }
    let device = account.device(device)?;
    let (bundle, left) = {
        let mut keys = device.keys();
        let had_some = !keys.one_time.is_empty();
        let one_time = keys.pop();
        let bundle = Bundle {
            registration: keys.registration,
            identity: keys.identity,
            signed: keys.signed.clone(),
            one_time,
            device_identity: Some(device.proof.clone()),
        };
        (bundle, had_some.then_some(keys.one_time.len()))
    };
    if left == Some(LOW_WATER) {
        tell_low(core, &device, LOW_WATER);
    }
    Some(bundle)
}

/// `<notification type=encrypt><count/>`: the client answers with an upload.
fn tell_low(core: &Core, device: &Device, left: usize) {
    let id = core.stanza_id();
    let node = NodeBuilder::new("notification")
        .attr("from", stanza::server_jid())
        .attr("id", &*id)
        .attr("type", "encrypt")
        .attr("t", core.clock.secs())
        .children([NodeBuilder::new("count").attr("value", left).build()])
        .build();
    device.mailbox().push(Item {
        class: Class::Notification,
        id: CompactString::from(id),
        from: stanza::server_jid(),
        kind: Some("encrypt".into()),
        stanza: stanza::encode(&node),
    });
}

fn skey_node(signed: &SignedKey) -> Node {
    NodeBuilder::new("skey")
        .children([blob("id", id3(signed.id)), blob("value", signed.value), blob("signature", signed.signature)])
        .build()
}

/// Key ids travel as three bytes.
pub(crate) fn id3(id: u32) -> [u8; 3] {
    let [_, a, b, c] = id.to_be_bytes();
    [a, b, c]
}

/// The bundle of a `<keys>` element in a retry receipt.
pub(crate) fn bundle_of_retry(receipt: &NodeRef<'_>) -> Option<Bundle> {
    let keys = receipt.get_optional_child("keys")?;
    let one_time =
        keys.get_optional_child("key").and_then(|key| Some((child_uint(key, "id")?, child_array(key, "value")?)));
    Some(Bundle {
        registration: child_uint(receipt, "registration")?,
        identity: child_array(keys, "identity")?,
        signed: KeyStore::signed_key(keys)?,
        one_time,
        device_identity: child_bytes(keys, "device-identity").map(<[u8]>::to_vec),
    })
}

/// The `<keys>` element of a retry receipt the phone sends.
pub(crate) fn retry_keys_node(bundle: &Bundle) -> Node {
    let mut children = vec![blob("type", [KEY_TYPE]), blob("identity", bundle.identity)];
    if let Some((id, value)) = bundle.one_time {
        children.push(NodeBuilder::new("key").children([blob("id", id3(id)), blob("value", value)]).build());
    }
    children.push(skey_node(&bundle.signed));
    children.extend(bundle.device_identity.as_ref().map(|proof| blob("device-identity", proof.clone())));
    NodeBuilder::new("keys").children(children).build()
}
