//! The phone's signature under a companion's identity ("advanced device verification").
//! wire.md 2.2.1, 2.2.2, 2.2.4.

use crate::crypto;
use wacore::adv::{AdvValidation, validate_adv_with_identity_key};
use wacore_libsignal::crypto::hmac_sha256;
use wacore_libsignal::protocol::{CurveError, KeyPair};
use waproto::buffa::Message as _;
use waproto::whatsapp::{ADVDeviceIdentity, ADVEncryptionType, ADVSignedDeviceIdentity, ADVSignedDeviceIdentityHMAC};

/// Domain of the account's signature.
const ACCOUNT_PREFIX: [u8; 2] = [6, 0];

/// An identity signed by the phone, not yet by the companion.
pub(crate) struct Signed {
    /// What `pair-success` carries.
    pub(crate) container: Vec<u8>,
    account_public: [u8; 32],
    details: Vec<u8>,
}

/// Signs a companion's identity key.
pub(crate) fn sign(
    account: &KeyPair,
    raw_id: u32,
    key_index: u32,
    now: u64,
    companion_identity: &[u8; 32],
    adv_secret: &[u8; 32],
) -> Result<Signed, CurveError> {
    let details = ADVDeviceIdentity {
        raw_id: Some(raw_id),
        timestamp: Some(now),
        key_index: Some(key_index),
        account_type: Some(ADVEncryptionType::E2EE),
        device_type: Some(ADVEncryptionType::E2EE),
    }
    .encode_to_vec();
    let signature = crypto::sign(account, &[&ACCOUNT_PREFIX, &details, companion_identity])?;
    let account_public = crypto::raw(&account.public_key);
    let signed = ADVSignedDeviceIdentity {
        details: Some(details.clone()),
        account_signature_key: Some(account_public.to_vec()),
        account_signature: Some(signature.to_vec()),
        device_signature: None,
    }
    .encode_to_vec();
    let container = ADVSignedDeviceIdentityHMAC {
        hmac: Some(hmac_sha256(adv_secret, &signed).to_vec()),
        details: Some(signed),
        account_type: Some(ADVEncryptionType::E2EE),
    }
    .encode_to_vec();
    Ok(Signed { container, account_public, details })
}

/// Checks what the companion sent back: both signatures hold, over the very details it was given.
/// Gives the bytes that prove the device to others.
pub(crate) fn complete(bytes: &[u8], signed: &Signed, companion_identity: &[u8; 32]) -> Option<Vec<u8>> {
    let answer = waproto::codec::adv_signed_device_identity_decode(bytes).ok()?;
    let same = answer.details.as_deref() == Some(&signed.details[..]);
    let valid = validate_adv_with_identity_key(bytes, companion_identity, Some(&signed.account_public));
    (same && valid == AdvValidation::Valid).then(|| bytes.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wacore::pair::{DeviceState, PairUtils};

    #[test]
    fn the_clients_own_check_accepts_it_and_its_answer_completes_it() {
        let (account, companion) = (crypto::key_pair(), crypto::key_pair());
        let identity = crypto::raw(&companion.public_key);
        let secret = crypto::random();
        let signed = sign(&account, 7, 3, 1_700_000_000, &identity, &secret).unwrap();
        let state =
            DeviceState { identity_key: companion.clone(), noise_key: crypto::key_pair(), adv_secret_key: secret };
        let (answer, index) = PairUtils::do_pair_crypto(&state, &signed.container).unwrap();
        assert_eq!(index, 3);
        assert!(complete(&answer, &signed, &identity).is_some());

        let other = sign(&account, 7, 4, 1_700_000_000, &identity, &secret).unwrap();
        assert!(complete(&answer, &other, &identity).is_none(), "details were swapped");
        let stranger = crypto::raw(&crypto::key_pair().public_key);
        assert!(complete(&answer, &signed, &stranger).is_none());
        assert!(complete(b"nonsense", &signed, &identity).is_none());

        let wrong_secret = DeviceState { adv_secret_key: crypto::random(), ..state };
        assert!(PairUtils::do_pair_crypto(&wrong_secret, &signed.container).is_err());
    }
}
