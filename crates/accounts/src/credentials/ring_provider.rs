//! HMAC-SHA-256 for `jsonwebtoken` by ring, which is in the tree for TLS anyway.
//!
//! jsonwebtoken 11 has no cryptography of its own unless a feature brings some, and both features bring far more than
//! one HMAC: `rust_crypto` brings RSA code with an open advisory (RUSTSEC-2023-0071). It panics at first use when no
//! provider is installed, so whoever makes keys here installs this one first.

use std::sync::Once;

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, EncodingKey,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{ErrorKind, Result},
    signature,
};
use ring::hmac;

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key: &EncodingKey| {
        accept(*algorithm, key.family())?;
        Ok(Box::new(Hs256(hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()))))
    },
    verifier_factory: |algorithm, key: &DecodingKey| {
        accept(*algorithm, key.family())?;
        Ok(Box::new(Hs256(hmac::Key::new(hmac::HMAC_SHA256, key.try_get_as_bytes()?))))
    },
    key_utils: KeyUtils::new_unimplemented(),
};

/// Installs the provider for this process. Calling it again changes nothing.
pub(super) fn install() {
    static ONCE: Once = Once::new();
    // `Err` says that the process has a provider already: this one, since nothing else here installs one.
    ONCE.call_once(|| {
        let _ = PROVIDER.install_default();
    });
}

/// Both the algorithm and the family of the key must be the one that is meant, or a public key could pass for a secret.
fn accept(algorithm: Algorithm, family: AlgorithmFamily) -> Result<()> {
    if algorithm == Algorithm::HS256 && family == AlgorithmFamily::Hmac {
        Ok(())
    } else {
        Err(ErrorKind::InvalidAlgorithm.into())
    }
}

struct Hs256(hmac::Key);

impl signature::Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, signature::Error> {
        Ok(hmac::sign(&self.0, message).as_ref().to_vec())
    }
}

impl signature::Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], tag: &Vec<u8>) -> std::result::Result<(), signature::Error> {
        hmac::verify(&self.0, message, tag).map_err(|_| signature::Error::new())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}
