//! Encryption at rest: XChaCha20-Poly1305 under the master key.
//!
//! A sealed value is a version byte, a nonce of 24 random bytes (wide enough to be drawn at random for every value)
//! and the ciphertext with its tag. The associated data says where the value belongs; a value that was moved cannot
//! be opened.

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use waypost_domain::Env;

use crate::MasterKey;

const VERSION: u8 = 1;
const NONCE: usize = 24;

/// Seals and opens values.
#[derive(Clone)]
pub(crate) struct Cipher {
    aead: XChaCha20Poly1305,
    env: Env,
}

impl Cipher {
    pub fn new(key: &MasterKey, env: Env) -> Self {
        Self { aead: XChaCha20Poly1305::new(&key.0.into()), env }
    }

    /// Encrypts `value`, bound to `place`.
    pub fn seal(&self, place: &[u8], value: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE] = self.env.bytes();
        let sealed = self
            .aead
            .encrypt(&XNonce::from(nonce), Payload { msg: value, aad: place })
            .expect("encryption fails only for values of more than 256 GiB");
        let mut out = Vec::with_capacity(1 + NONCE + sealed.len());
        out.push(VERSION);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        out
    }

    /// Decrypts what [`Self::seal`] gave for the same `place`; the error says why in words.
    pub fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, &'static str> {
        let (version, rest) = sealed.split_first().ok_or("the sealed value is empty")?;
        if *version != VERSION {
            return Err("the sealed value has an unknown version");
        }
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE>().ok_or("the sealed value is too short")?;
        self.aead
            .decrypt(&XNonce::from(*nonce), Payload { msg: ciphertext, aad: place })
            .map_err(|_| "the value was damaged, moved, or sealed under another master key")
    }
}

impl std::fmt::Debug for Cipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cipher(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_sealed_opens_in_its_place_alone(
            value in prop::collection::vec(any::<u8>(), 0..200),
            place in prop::collection::vec(any::<u8>(), 0..40),
            other in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let cipher = Cipher::new(&MasterKey::new([7; 32]), Env::system());
            let sealed = cipher.seal(&place, &value);
            prop_assert_eq!(cipher.open(&place, &sealed), Ok(value));
            if place != other {
                prop_assert!(cipher.open(&other, &sealed).is_err());
            }
        }

        #[test]
        fn no_bytes_break_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let cipher = Cipher::new(&MasterKey::new([7; 32]), Env::system());
            prop_assert!(cipher.open(b"", &bytes).is_err());
        }
    }
}
