//! The few primitives the wire crates do not hand out ready-made.

use sha2::{Digest, Sha256};
use wacore_libsignal::crypto::hmac_sha256;
use wacore_libsignal::protocol::{CurveError, KeyPair, PublicKey};

/// Generator for keys, signatures and ids: nothing a test asserts depends on its values.
#[expect(clippy::disallowed_methods, reason = "keys and ids of a simulator are nobody's test input")]
pub(crate) fn rng() -> rand_wire::rngs::ThreadRng {
    rand_wire::rng()
}

/// Fresh random bytes.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    use rand_wire::RngExt as _;
    let mut out = [0; N];
    rng().fill(&mut out);
    out
}

/// A fresh Curve25519 pair.
pub(crate) fn key_pair() -> KeyPair {
    KeyPair::generate(&mut rng())
}

/// The bare 32 bytes of a public key, without Signal's type byte.
pub(crate) fn raw(key: &PublicKey) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(key.public_key_bytes());
    out
}

/// `XEdDSA` over the parts put end to end.
pub(crate) fn sign(key: &KeyPair, parts: &[&[u8]]) -> Result<[u8; 64], CurveError> {
    key.private_key.calculate_signature_for_multipart_message(parts, &mut rng())
}

/// HKDF-SHA256 (RFC 5869) for one block of output, which is all that pairing needs.
pub(crate) fn hkdf32(salt: &[u8], ikm: &[u8], info: &[u8]) -> [u8; 32] {
    let prk = hmac_sha256(salt, ikm);
    let mut block = info.to_vec();
    block.push(1);
    hmac_sha256(&prk, &block)
}

/// SHA-256 of the parts put end to end.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// A zlib stream of stored blocks: valid for every inflater, and no compressor needed for the few
/// hundred bytes of an empty history.
pub(crate) fn zlib_stored(data: &[u8]) -> Vec<u8> {
    let mut out = vec![0x78, 0x01];
    let mut blocks = data.chunks(0xffff).peekable();
    if blocks.peek().is_none() {
        out.extend_from_slice(&[1, 0, 0, 0xff, 0xff]);
    }
    while let Some(block) = blocks.next() {
        let len = u16::try_from(block.len()).expect("chunks are at most 65535 bytes long");
        out.push(u8::from(blocks.peek().is_none()));
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&(!len).to_le_bytes());
        out.extend_from_slice(block);
    }
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in data {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    out.extend_from_slice(&((b << 16) | a).to_be_bytes());
    out
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hkdf_matches_rfc_5869_case_1() {
        let okm = hkdf32(
            &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
            &[0x0b; 22],
            &[0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9],
        );
        assert_eq!(hex(&okm), "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
    }

    #[test]
    fn stored_zlib_is_read_by_a_real_inflater() {
        for len in [0, 1, 70_000] {
            let data: Vec<u8> = (0..len).map(|n: u32| n.to_le_bytes()[0]).collect();
            let mut frame = vec![2];
            frame.extend(zlib_stored(&data));
            // Flag 2 is the wire's own "zlib" marker, so this is the client's inflater.
            assert_eq!(wacore_binary::util::unpack(&frame).unwrap().as_ref(), data);
        }
    }
}
