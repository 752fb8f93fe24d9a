//! Linking a companion: QR and pair code. wire.md 2.1 and 2.2.
//!
//! A connection without a login becomes a [`Pending`] pairing, found by the refs in its QR code or by
//! the number it asked to be linked to by code. The phone's side is played by [`scan_qr`] and
//! [`code::enter`]; both end in [`Pending::offer`], which sends the signed identity and waits until the
//! companion has signed it too.

pub(crate) mod adv;
pub(crate) mod code;

use crate::account::{Account, Device, lock};
use crate::core::Core;
use crate::crypto;
use crate::devices;
use crate::outbox::Outbox;
use crate::prekeys::{KeyStore, SignedKey};
use crate::stanza::{self, BadStanza, blob, str_attr};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use code::CodeFlow;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{CompactString, Node, NodeRef, Server};
use waproto::buffa::Message as _;
use waproto::whatsapp::{ClientPairingProps, ClientPayload};

/// QR codes a client shows one after the other (wire.md 2.1).
const REFS: usize = 6;
/// The companion signs within this time or the scan fails.
const SIGN_TIMEOUT: Duration = Duration::from_secs(15);
/// `<stream:error code=515>` follows this long after the signature: at once it races the client's own
/// bookkeeping (wire.md 2.2.5, 0 of 40 runs at 50 ms).
const RESTART_DELAY: Duration = Duration::from_millis(100);

/// Why a pairing failed, in words for whoever plays the phone.
#[derive(Debug, thiserror::Error)]
pub enum PairError {
    /// The text is no QR code of a companion.
    #[error("not a companion's QR code: {0}")]
    BadQr(&'static str),
    /// No waiting connection shows this code.
    #[error("no connection waits for this code: it is unknown, used, or its client has gone")]
    Unknown,
    /// The number is none.
    #[error("not a phone number: {0:?}")]
    BadNumber(String),
    /// The companion answered with an error.
    #[error("the companion refused: {0}")]
    Refused(String),
    /// The companion did not answer.
    #[error("the companion did not answer in time")]
    Timeout,
    /// The cryptography failed, for instance because the pair code was wrong.
    #[error("pairing failed: {0}")]
    Crypto(String),
}

/// A finished pairing.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Paired {
    /// The account's number.
    pub pn: String,
    /// The account's LID.
    pub lid: String,
    /// The companion's device number.
    pub device: u16,
    /// The companion's address.
    pub jid: String,
}

/// What a client says about itself when it wants to be linked.
pub(crate) struct Applicant {
    pub(crate) noise_public: [u8; 32],
    pub(crate) push_name: Option<String>,
    pub(crate) keys: KeyStore,
}

impl Applicant {
    /// Reads a pairing payload.
    pub(crate) fn read(payload: &ClientPayload, noise_public: [u8; 32]) -> Option<Self> {
        let data = payload.device_pairing_data.as_option()?;
        let uint = |bytes: &[u8]| bytes.iter().fold(0_u32, |n, byte| (n << 8) | u32::from(*byte));
        Some(Self {
            noise_public,
            push_name: payload.push_name.clone().filter(|name| !name.is_empty()),
            keys: KeyStore {
                registration: uint(data.e_regid.as_deref()?),
                identity: data.e_ident.as_deref()?.try_into().ok()?,
                signed: SignedKey {
                    id: uint(data.e_skey_id.as_deref()?),
                    value: data.e_skey_val.as_deref()?.try_into().ok()?,
                    signature: data.e_skey_sig.as_deref()?.try_into().ok()?,
                },
                one_time: VecDeque::new(),
            },
        })
    }

    /// The number for a client whose phone nobody named: from its push name, or, without one, from
    /// its identity key, so that it is a person of its own.
    fn own_number(&self, core: &Core) -> CompactString {
        let name = self.push_name.clone().unwrap_or_else(|| format!("key:{}", crypto::hex(&self.keys.identity)));
        core.directory.number_for_name(&name)
    }
}

struct Offer {
    account: Arc<Account>,
    index: u16,
    signed: adv::Signed,
    done: oneshot::Sender<Result<Paired, PairError>>,
}

/// A connection that waits to be linked.
pub(crate) struct Pending {
    pub(crate) applicant: Applicant,
    pub(crate) outbox: Arc<Outbox>,
    refs: Vec<String>,
    code: Mutex<Option<CodeFlow>>,
    offer: Mutex<Option<Offer>>,
}

#[derive(Default)]
struct Waiting {
    by_ref: HashMap<String, Arc<Pending>>,
    by_number: HashMap<CompactString, Arc<Pending>>,
}

/// All connections that wait to be linked.
#[derive(Default)]
pub(crate) struct Pairings {
    waiting: Mutex<Waiting>,
}

impl Pairings {
    /// A client without a login connected: it gets its refs.
    pub(crate) fn begin(&self, core: &Core, applicant: Applicant, outbox: Arc<Outbox>) -> Arc<Pending> {
        let refs: Vec<String> =
            (0..REFS).map(|_| format!("2@{}", BASE64_URL_SAFE_NO_PAD.encode(crypto::random::<48>()))).collect();
        let children = refs.iter().map(|text| blob("ref", text.as_bytes()));
        let node = NodeBuilder::new("iq")
            .attr("from", stanza::server_jid())
            .attr("type", "set")
            .attr("id", core.stanza_id())
            .attr("xmlns", "md")
            .children([NodeBuilder::new("pair-device").children(children).build()])
            .build();
        outbox.push(stanza::encode(&node));
        let pending = Arc::new(Pending { applicant, outbox, refs, code: Mutex::default(), offer: Mutex::default() });
        let mut waiting = lock(&self.waiting);
        for text in &pending.refs {
            waiting.by_ref.insert(text.clone(), Arc::clone(&pending));
        }
        pending
    }

    /// The connection ended.
    pub(crate) fn end(&self, pending: &Arc<Pending>) {
        let mut waiting = lock(&self.waiting);
        for text in &pending.refs {
            waiting.by_ref.remove(text);
        }
        waiting.by_number.retain(|_, other| !Arc::ptr_eq(other, pending));
    }

    fn by_ref(&self, text: &str) -> Option<Arc<Pending>> {
        lock(&self.waiting).by_ref.get(text).cloned()
    }

    fn by_number(&self, pn: Option<&str>) -> Option<(CompactString, Arc<Pending>)> {
        let waiting = lock(&self.waiting);
        let mut found = waiting.by_number.iter().filter(|(number, _)| pn.is_none_or(|pn| pn == *number));
        let first = found.next()?;
        // Without a number the code belongs to the only client that waits for one, if it is alone.
        found.next().is_none().then(|| (first.0.clone(), Arc::clone(first.1)))
    }

    fn expect_code(&self, pn: CompactString, pending: &Arc<Pending>) {
        lock(&self.waiting).by_number.insert(pn, Arc::clone(pending));
    }
}

/// A companion's QR code, taken apart.
struct Qr<'q> {
    reference: &'q str,
    identity: [u8; 32],
    adv_secret: [u8; 32],
}

impl<'q> Qr<'q> {
    /// `[https://…#]ref,noise,identity,adv secret[,client type]`
    fn parse(text: &'q str) -> Result<Self, PairError> {
        let text = text.trim().trim_matches('"');
        let text = text.rsplit_once('#').map_or(text, |(_, code)| code);
        let mut parts = text.split(',');
        let reference = parts.next().filter(|part| !part.is_empty());
        let mut key = || {
            let bytes = BASE64_STANDARD.decode(parts.next()?).ok()?;
            <[u8; 32]>::try_from(bytes).ok()
        };
        let (_noise, identity, adv_secret) = (key(), key(), key());
        Ok(Self {
            reference: reference.ok_or(PairError::BadQr("no ref"))?,
            identity: identity.ok_or(PairError::BadQr("no identity key"))?,
            adv_secret: adv_secret.ok_or(PairError::BadQr("no adv secret"))?,
        })
    }
}

/// A phone scans a companion's QR code.
pub(crate) async fn scan_qr(core: &Core, qr: &str, phone: Option<&str>) -> Result<Paired, PairError> {
    let qr = Qr::parse(qr)?;
    let pending = core.pairings.by_ref(qr.reference).ok_or(PairError::Unknown)?;
    if qr.identity != pending.applicant.keys.identity {
        return Err(PairError::BadQr("identity key is not the client's"));
    }
    let account = account_for(core, &pending.applicant, phone)?;
    pending.offer(core, &account, &qr.adv_secret).await
}

fn account_for(core: &Core, applicant: &Applicant, phone: Option<&str>) -> Result<Arc<Account>, PairError> {
    match phone {
        Some(phone) if crate::directory::is_number(phone) => {
            let pn = phone.trim_start_matches('+');
            Ok(core.account(pn, applicant.push_name.as_deref()))
        }
        Some(phone) => Err(PairError::BadNumber(phone.to_owned())),
        None => {
            let account = core.account(&applicant.own_number(core), applicant.push_name.as_deref());
            if let Some(name) = &applicant.push_name {
                core.directory.remember_name(name, &account);
            }
            Ok(account)
        }
    }
}

impl Pending {
    /// Signs the companion's identity with the phone's key, sends it, and waits for the companion's
    /// own signature.
    async fn offer(&self, core: &Core, account: &Arc<Account>, adv_secret: &[u8; 32]) -> Result<Paired, PairError> {
        let crypto_error = |error: &dyn std::error::Error| PairError::Crypto(error.to_string());
        if let Some(name) = &self.applicant.push_name {
            account.set_push_name(name);
        }
        let index = account.next_index();
        let signed = adv::sign(
            account.phone().keys().identity(),
            account.raw_id,
            u32::from(index),
            core.clock.secs(),
            &self.applicant.keys.identity,
            adv_secret,
        )
        .map_err(|error| crypto_error(&error))?;
        let props = account.namespace().migrated().map(|migrated| {
            let props = ClientPairingProps { is_chat_db_lid_migrated: Some(migrated), ..Default::default() };
            blob("client-props", props.encode_to_vec())
        });
        let node = NodeBuilder::new("iq")
            .attr("from", stanza::server_jid())
            .attr("type", "set")
            .attr("id", core.stanza_id())
            .attr("xmlns", "md")
            .attr("t", core.clock.secs())
            .children([NodeBuilder::new("pair-success")
                .children(
                    [
                        blob("device-identity", signed.container.clone()),
                        NodeBuilder::new("device")
                            .attr("jid", account.jid(Server::Pn).with_device(index))
                            .attr("lid", account.jid(Server::Lid).with_device(index))
                            .build(),
                        NodeBuilder::new("platform").attr("name", "android").build(),
                        // Nothing else tells Baileys its own name at once, and without a name it cannot say that it
                        // is available, which makes all its delivery receipts `inactive`.
                        NodeBuilder::new("biz").attr("name", account.push_name()).build(),
                    ]
                    .into_iter()
                    .chain(props),
                )
                .build()])
            .build();
        let (done, outcome) = oneshot::channel();
        *lock(&self.offer) = Some(Offer { account: Arc::clone(account), index, signed, done });
        self.outbox.push(stanza::encode(&node));
        match tokio::time::timeout(SIGN_TIMEOUT, outcome).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(PairError::Refused("it disconnected".into())),
            Err(_) => Err(PairError::Timeout),
        }
    }

    /// Takes what a connection that waits to be linked says.
    pub(crate) fn handle(self: &Arc<Self>, core: &Core, node: &NodeRef<'_>) -> Result<(), BadStanza> {
        if node.tag != "iq" {
            return Ok(());
        }
        let id = stanza::id_of(node)?;
        let kind = str_attr(node, "type");
        match kind.as_deref() {
            Some("result") => {
                if let Some(sign) = node.get_optional_child("pair-device-sign") {
                    self.signed(core, sign);
                }
                Ok(())
            }
            Some("error") => {
                let text =
                    node.get_optional_child("error").and_then(|error| str_attr(error, "text")).unwrap_or_default();
                if let Some(offer) = lock(&self.offer).take() {
                    // The one who scanned may have given up; nothing depends on it.
                    let _ = offer.done.send(Err(PairError::Refused(text.to_string())));
                }
                Ok(())
            }
            _ => {
                let reply = match node.get_optional_child("link_code_companion_reg") {
                    Some(request) => code::answer(core, self, request, &id),
                    None => stanza::iq_result(&id, Vec::new()),
                };
                self.outbox.push(stanza::encode(&reply));
                Ok(())
            }
        }
    }

    /// The companion signed: from here on it is a device of the account.
    fn signed(&self, core: &Core, sign: &NodeRef<'_>) {
        let Some(offer) = lock(&self.offer).take() else {
            return;
        };
        let proof = stanza::child_bytes(sign, "device-identity")
            .and_then(|bytes| adv::complete(bytes, &offer.signed, &self.applicant.keys.identity));
        let Some(proof) = proof else {
            let _ = offer.done.send(Err(PairError::Refused("its signature does not verify".into())));
            self.outbox.push(stanza::encode(&stanza::stream_error(Some(401), None)));
            self.outbox.finish();
            return;
        };
        let device = Device::new(
            offer.index,
            u32::from(offer.index),
            self.applicant.noise_public,
            proof,
            self.applicant.keys.clone(),
        );
        devices::link(core, &offer.account, device);
        let paired = Paired {
            pn: offer.account.pn.to_string(),
            lid: offer.account.lid.to_string(),
            device: offer.index,
            jid: offer.account.jid(Server::Pn).with_device(offer.index).to_string(),
        };
        let _ = offer.done.send(Ok(paired));
        let outbox = Arc::clone(&self.outbox);
        tokio::spawn(async move {
            tokio::time::sleep(RESTART_DELAY).await;
            outbox.push(stanza::encode(&stanza::stream_error(Some(515), None)));
            outbox.finish();
        });
    }
}

/// `<link_code_companion_reg stage=…>`
fn link_code(stage: &'static str, children: Vec<Node>) -> Node {
    NodeBuilder::new("link_code_companion_reg").attr("stage", stage).children(children).build()
}

#[cfg(test)]
mod tests;
