//! Linking by an eight-character code: the server's routing and the phone's cryptography.
//! wire.md 2.2, last bullet; `wacore/src/pair_code.rs` is the client's half.

use super::{PairError, Paired, Pending, link_code};
use crate::account::lock;
use crate::core::Core;
use crate::crypto;
use crate::stanza::{self, blob, child_array, child_bytes, str_attr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use wacore::pair_code::PairCodeUtils;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Node, NodeRef};
use wacore_libsignal::crypto::aes_256_gcm_decrypt;
use wacore_libsignal::protocol::{KeyPair, PublicKey};

/// The companion answers the phone's hello within this time.
const FINISH_TIMEOUT: Duration = Duration::from_secs(20);
const BUNDLE_INFO: &[u8] = b"link_code_pairing_key_bundle_encryption_key";
const SECRET_INFO: &[u8] = b"adv_secret";
const SALT: usize = 32;
const IV: usize = 12;

/// What the server keeps between the companion's hello and its finish.
pub(crate) struct CodeFlow {
    reference: [u8; 32],
    /// The companion's ephemeral key, wrapped under the code.
    wrapped: Vec<u8>,
    /// Woken by the companion's finish.
    finish: Option<oneshot::Sender<Finish>>,
}

struct Finish {
    bundle: Vec<u8>,
    identity: [u8; 32],
}

/// Answers `link_code_companion_reg` of a companion.
pub(super) fn answer(core: &Core, pending: &Arc<Pending>, request: &NodeRef<'_>, id: &str) -> Node {
    match str_attr(request, "stage").as_deref() {
        Some("companion_hello") => hello(core, pending, request, id),
        Some("companion_finish") => finish(pending, request, id),
        _ => stanza::iq_result(id, Vec::new()),
    }
}

fn hello(core: &Core, pending: &Arc<Pending>, request: &NodeRef<'_>, id: &str) -> Node {
    let number = stanza::jid_attr(request, "jid").map(|jid| jid.user);
    let wrapped = child_bytes(request, "link_code_pairing_wrapped_companion_ephemeral_pub");
    let (Some(number), Some(wrapped)) = (number, wrapped) else {
        return stanza::iq_error(id, 400, "bad-request");
    };
    let reference = crypto::random();
    *lock(&pending.code) = Some(CodeFlow { reference, wrapped: wrapped.to_vec(), finish: None });
    core.pairings.expect_code(number, pending);
    let reply = link_code("companion_hello", vec![blob("link_code_pairing_ref", reference)]);
    stanza::iq_result(id, vec![reply])
}

fn finish(pending: &Pending, request: &NodeRef<'_>, id: &str) -> Node {
    let parts = child_bytes(request, "link_code_pairing_wrapped_key_bundle")
        .zip(child_array(request, "companion_identity_public"));
    let waiting = lock(&pending.code).as_mut().and_then(|flow| flow.finish.take());
    match (parts, waiting) {
        (Some((bundle, identity)), Some(waiting)) => {
            // The phone may have given up; the companion cannot know and needs no error for it.
            let _ = waiting.send(Finish { bundle: bundle.to_vec(), identity });
            stanza::iq_result(id, Vec::new())
        }
        _ => stanza::iq_error(id, 404, "item-not-found"),
    }
}

/// Somebody types a code on a phone. Without a number it is the phone of the only client that waits.
pub(crate) async fn enter(core: &Core, phone: Option<&str>, entered: &str) -> Result<Paired, PairError> {
    let pair_code: String = entered.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_uppercase();
    let phone = phone.map(|phone| phone.trim_start_matches('+'));
    let (number, pending) = core.pairings.by_number(phone).ok_or(PairError::Unknown)?;
    let account = core.account(&number, pending.applicant.push_name.as_deref());
    let (reference, wrapped) = match &*lock(&pending.code) {
        Some(flow) => (flow.reference, flow.wrapped.clone()),
        None => return Err(PairError::Unknown),
    };

    let ephemeral = crypto::key_pair();
    let ephemeral_public = crypto::raw(&ephemeral.public_key);
    // Two PBKDF2 of 131,072 rounds each, which do not belong on an async thread.
    let (companion_ephemeral, wrapped_ours) = tokio::task::spawn_blocking(move || {
        let theirs = PairCodeUtils::decrypt_primary_ephemeral_pub(&wrapped, &pair_code);
        (theirs, PairCodeUtils::encrypt_ephemeral_pub(&ephemeral_public, &pair_code))
    })
    .await
    .map_err(|error| PairError::Crypto(error.to_string()))?;
    let companion_ephemeral = companion_ephemeral.map_err(|error| PairError::Crypto(error.to_string()))?;

    let identity = account.phone().keys().identity().clone();
    let (done, finished) = oneshot::channel();
    match &mut *lock(&pending.code) {
        Some(flow) => flow.finish = Some(done),
        None => return Err(PairError::Unknown),
    }
    let node = primary_hello(core, &wrapped_ours, &crypto::raw(&identity.public_key), &reference);
    pending.outbox.push(stanza::encode(&node));
    let finish = tokio::time::timeout(FINISH_TIMEOUT, finished)
        .await
        .map_err(|_| PairError::Timeout)?
        .map_err(|_| PairError::Unknown)?;
    if finish.identity != pending.applicant.keys.identity {
        return Err(PairError::Crypto("another identity key than at the start".into()));
    }
    let secret = adv_secret(&finish.bundle, &ephemeral, &identity, &companion_ephemeral, &finish.identity)?;
    pending.offer(core, &account, &secret).await
}

fn primary_hello(core: &Core, wrapped: &[u8], identity: &[u8; 32], reference: &[u8; 32]) -> Node {
    NodeBuilder::new("notification")
        .attr("from", stanza::server_jid())
        .attr("type", "link_code_companion_reg")
        .attr("id", core.stanza_id())
        .attr("t", core.clock.secs())
        .children([link_code(
            "primary_hello",
            vec![
                blob("link_code_pairing_wrapped_primary_ephemeral_pub", wrapped),
                blob("primary_identity_pub", *identity),
                blob("link_code_pairing_ref", *reference),
            ],
        )])
        .build()
}

/// Opens the companion's bundle and derives the secret both sides then share.
fn adv_secret(
    bundle: &[u8],
    ephemeral: &KeyPair,
    identity: &KeyPair,
    companion_ephemeral: &[u8; 32],
    companion_identity: &[u8; 32],
) -> Result<[u8; 32], PairError> {
    let agree = |ours: &KeyPair, theirs: &[u8; 32]| {
        PublicKey::from_djb_public_key_bytes(theirs)
            .and_then(|theirs| ours.private_key.calculate_agreement(&theirs))
            .map_err(|error| PairError::Crypto(error.to_string()))
    };
    let malformed = || PairError::Crypto("the key bundle is malformed".into());
    let (salt, rest) = bundle.split_at_checked(SALT).ok_or_else(malformed)?;
    let (iv, sealed) = rest.split_at_checked(IV).ok_or_else(malformed)?;
    let iv: &[u8; IV] = iv.try_into().map_err(|_| malformed())?;
    let ephemeral_secret = agree(ephemeral, companion_ephemeral)?;
    let key = crypto::hkdf32(salt, &ephemeral_secret, BUNDLE_INFO);
    let mut opened = Vec::new();
    aes_256_gcm_decrypt(&key, iv, b"", sealed, &mut opened)
        .map_err(|_| PairError::Crypto("the key bundle does not open: the code is wrong".into()))?;
    let random = opened.get(64..96).filter(|_| opened.starts_with(companion_identity)).ok_or_else(malformed)?;
    let identity_secret = agree(identity, companion_identity)?;
    let material = [&ephemeral_secret[..], &identity_secret[..], random].concat();
    Ok(crypto::hkdf32(&[0; 32], &material, SECRET_INFO))
}
