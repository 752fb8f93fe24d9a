//! wa-sim's certificate chain: root → intermediate → leaf, each link a real `XEdDSA` signature.
//!
//! The promise: a client that takes wa-sim's root key instead of WhatsApp's verifies everything it
//! would verify in production. Both known verifiers are served: Baileys (`Utils/noise-handler.js`:
//! both signatures, intermediate issuer serial 0) and whatsapp-rust (`wacore-noise/src/handshake.rs`
//! `verify_server_cert`: the same, plus leaf issuer = intermediate serial, leaf key = the static key
//! of the handshake, and validity times). wire.md 2.0.

mod saved;

pub(crate) use saved::SavedIdentity;

use crate::clock::Clock;
use crate::crypto;
use wacore_libsignal::protocol::{CurveError, KeyPair};
use waproto::buffa::{Message as _, MessageField};
use waproto::whatsapp::CertChain;
use waproto::whatsapp::cert_chain::NoiseCertificate;
use waproto::whatsapp::cert_chain::noise_certificate::Details;

/// The serial that both verifiers expect as the intermediate's issuer.
const ROOT_SERIAL: u32 = 0;
const INTERMEDIATE_SERIAL: u32 = 1;
const LEAF_SERIAL: u32 = 2;
/// Well past any test, and what the client's cache checks on reconnect.
const VALID_FOR_SECS: u64 = 10 * 365 * 24 * 3600;
const BACKDATED_SECS: u64 = 24 * 3600;

/// The server's long-term keys and the chain it shows.
pub(crate) struct Identity {
    /// The key that clients pin.
    pub(crate) root_public: [u8; 32],
    /// The server's Noise static key.
    pub(crate) static_key: KeyPair,
    /// `CertChain`, encoded once.
    pub(crate) chain: Vec<u8>,
}

impl Identity {
    /// New root, intermediate and static keys with their signatures.
    pub(crate) fn generate(clock: &Clock) -> Result<Self, CurveError> {
        let root = crypto::key_pair();
        let intermediate = crypto::key_pair();
        let static_key = crypto::key_pair();
        let chain = CertChain {
            intermediate: MessageField::some(certificate(
                &root,
                INTERMEDIATE_SERIAL,
                ROOT_SERIAL,
                &intermediate,
                clock,
            )?),
            leaf: MessageField::some(certificate(&intermediate, LEAF_SERIAL, INTERMEDIATE_SERIAL, &static_key, clock)?),
        };
        Ok(Self { root_public: crypto::raw(&root.public_key), static_key, chain: chain.encode_to_vec() })
    }
}

fn certificate(
    issuer: &KeyPair,
    serial: u32,
    issuer_serial: u32,
    subject: &KeyPair,
    clock: &Clock,
) -> Result<NoiseCertificate, CurveError> {
    let now = clock.secs();
    let details = Details {
        serial: Some(serial),
        issuer_serial: Some(issuer_serial),
        key: Some(crypto::raw(&subject.public_key).to_vec()),
        not_before: Some(now.saturating_sub(BACKDATED_SECS)),
        not_after: Some(now + VALID_FOR_SECS),
    }
    .encode_to_vec();
    let signature = crypto::sign(issuer, &[&details])?;
    Ok(NoiseCertificate { details: Some(details), signature: Some(signature.to_vec()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use wacore_libsignal::protocol::PublicKey;

    /// What both clients check, with the pinned root replaced by ours.
    fn verifies(identity: &Identity, root: &[u8; 32]) -> bool {
        let chain = waproto::codec::cert_chain_decode(&identity.chain).unwrap();
        let (leaf, intermediate) = (chain.leaf.unwrap(), chain.intermediate.unwrap());
        let (leaf_bytes, mid_bytes) = (leaf.details.unwrap(), intermediate.details.unwrap());
        let mid = waproto::codec::noise_certificate_details_decode(&mid_bytes).unwrap();
        let end = waproto::codec::noise_certificate_details_decode(&leaf_bytes).unwrap();
        let key = |bytes: &[u8]| PublicKey::from_djb_public_key_bytes(bytes).unwrap();
        mid.issuer_serial == Some(0)
            && end.issuer_serial == mid.serial
            && end.key.as_deref() == Some(&crypto::raw(&identity.static_key.public_key)[..])
            && key(root).verify_signature(&mid_bytes, &intermediate.signature.unwrap())
            && key(&mid.key.unwrap()).verify_signature(&leaf_bytes, &leaf.signature.unwrap())
    }

    #[test]
    fn chain_verifies_under_its_own_root_and_no_other() {
        let clock = Clock::default();
        let (mine, other) = (Identity::generate(&clock).unwrap(), Identity::generate(&clock).unwrap());
        assert!(verifies(&mine, &mine.root_public));
        assert!(!verifies(&mine, &other.root_public));
    }
}
