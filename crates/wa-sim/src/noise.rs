//! The responder's half of WhatsApp's Noise handshake: XX, IK, and `XXfallback`.
//!
//! wire.md 2.0: the prologue is the four bytes `WA 06 03` alone. A `ClientHello` that carries `static`
//! and `payload` is an IK attempt with a cached server key; when it does not decrypt (the server has
//! new keys) or the configuration says so, the answer carries `static` and the handshake goes on as
//! `XXfallback` over the same client ephemeral (`wacore-noise/src/handshake.rs`).

use crate::certs::Identity;
use crate::crypto;
use wacore_binary::consts::{NOISE_PATTERN_IK, NOISE_PATTERN_XX, NOISE_PATTERN_XXFALLBACK, WA_CONN_HEADER};
use wacore_libsignal::protocol::KeyPair;
use wacore_noise::{HandshakeError, NoiseCipher, NoiseHandshake};
use waproto::buffa::MessageField;
use waproto::whatsapp::HandshakeMessage;
use waproto::whatsapp::handshake_message::ServerHello;

/// Why a handshake ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoiseError {
    #[error("the client's handshake message lacks {0}")]
    Missing(&'static str),
    #[error("a key in the handshake has {0} bytes instead of 32")]
    KeyLength(usize),
    #[error(transparent)]
    Wire(#[from] HandshakeError),
    #[error("the handshake message does not decode: {0}")]
    Decode(#[from] waproto::buffa::DecodeError),
}

/// What a finished handshake gives the connection.
pub(crate) struct Established {
    /// Server to client.
    pub(crate) write: NoiseCipher,
    /// Client to server.
    pub(crate) read: NoiseCipher,
    /// The client's Noise static key, proved by the handshake.
    pub(crate) client_static: [u8; 32],
    /// The encoded `ClientPayload`.
    pub(crate) payload: Vec<u8>,
}

/// The next step after a `ClientHello`.
pub(crate) enum Step {
    /// IK worked: send the answer, and the connection is up.
    Done { reply: Vec<u8>, established: Box<Established> },
    /// XX or `XXfallback`: send the answer, then wait for `ClientFinish`.
    AwaitFinish { reply: Vec<u8>, pending: Box<Pending> },
}

/// A handshake that waits for the client's last message.
pub(crate) struct Pending {
    noise: NoiseHandshake,
    ephemeral: KeyPair,
}

/// Answers a `ClientHello`.
pub(crate) fn client_hello(bytes: &[u8], identity: &Identity, allow_ik: bool) -> Result<Step, NoiseError> {
    let hello = waproto::codec::handshake_message_decode(bytes)?
        .client_hello
        .into_option()
        .ok_or(NoiseError::Missing("ClientHello"))?;
    let client_ephemeral = key32(hello.ephemeral.as_deref().ok_or(NoiseError::Missing("ephemeral"))?)?;
    match (hello.r#static, hello.payload) {
        (Some(encrypted_static), Some(encrypted_payload)) => {
            if allow_ik {
                // A failure here is the normal sign of a stale cached key, so it is not an error.
                if let Ok(step) = answer_ik(&client_ephemeral, &encrypted_static, &encrypted_payload, identity) {
                    return Ok(step);
                }
            }
            answer_xx(NOISE_PATTERN_XXFALLBACK, &client_ephemeral, identity)
        }
        _ => answer_xx(NOISE_PATTERN_XX, &client_ephemeral, identity),
    }
}

fn answer_xx(pattern: &str, client_ephemeral: &[u8; 32], identity: &Identity) -> Result<Step, NoiseError> {
    let ephemeral = crypto::key_pair();
    let ephemeral_public = crypto::raw(&ephemeral.public_key);
    let mut noise = NoiseHandshake::new(pattern, &WA_CONN_HEADER)?;
    noise.authenticate(client_ephemeral);
    noise.authenticate(&ephemeral_public);
    noise.mix_shared_secret(ephemeral.private_key.serialize(), client_ephemeral)?;
    let encrypted_static = noise.encrypt(identity.static_key.public_key.public_key_bytes())?;
    noise.mix_shared_secret(identity.static_key.private_key.serialize(), client_ephemeral)?;
    let encrypted_chain = noise.encrypt(&identity.chain)?;
    Ok(Step::AwaitFinish {
        reply: server_hello(&ephemeral_public, Some(encrypted_static), encrypted_chain),
        pending: Box::new(Pending { noise, ephemeral }),
    })
}

fn answer_ik(
    client_ephemeral: &[u8; 32],
    encrypted_static: &[u8],
    encrypted_payload: &[u8],
    identity: &Identity,
) -> Result<Step, NoiseError> {
    let static_private = identity.static_key.private_key.serialize();
    let mut noise = NoiseHandshake::new(NOISE_PATTERN_IK, &WA_CONN_HEADER)?;
    noise.authenticate(identity.static_key.public_key.public_key_bytes());
    noise.authenticate(client_ephemeral);
    noise.mix_shared_secret(static_private, client_ephemeral)?;
    let client_static = key32(&noise.decrypt(encrypted_static)?)?;
    noise.mix_shared_secret(static_private, &client_static)?;
    let payload = noise.decrypt(encrypted_payload)?;

    let ephemeral = crypto::key_pair();
    let ephemeral_public = crypto::raw(&ephemeral.public_key);
    noise.authenticate(&ephemeral_public);
    noise.mix_shared_secret(ephemeral.private_key.serialize(), client_ephemeral)?;
    noise.mix_shared_secret(ephemeral.private_key.serialize(), &client_static)?;
    let encrypted_chain = noise.encrypt(&identity.chain)?;
    let reply = server_hello(&ephemeral_public, None, encrypted_chain);
    Ok(Step::Done { reply, established: Box::new(split(noise, client_static, payload)?) })
}

impl Pending {
    /// Reads `ClientFinish` and ends the handshake.
    pub(crate) fn client_finish(mut self, bytes: &[u8]) -> Result<Established, NoiseError> {
        let finish = waproto::codec::handshake_message_decode(bytes)?
            .client_finish
            .into_option()
            .ok_or(NoiseError::Missing("ClientFinish"))?;
        let encrypted_static = finish.r#static.ok_or(NoiseError::Missing("static"))?;
        let encrypted_payload = finish.payload.ok_or(NoiseError::Missing("payload"))?;
        let client_static = key32(&self.noise.decrypt(&encrypted_static)?)?;
        self.noise.mix_shared_secret(self.ephemeral.private_key.serialize(), &client_static)?;
        let payload = self.noise.decrypt(&encrypted_payload)?;
        split(self.noise, client_static, payload)
    }
}

/// The initiator writes with the first key of the split, so the responder reads with it.
fn split(noise: NoiseHandshake, client_static: [u8; 32], payload: Vec<u8>) -> Result<Established, NoiseError> {
    let (read, write) = noise.finish()?;
    Ok(Established { write, read, client_static, payload })
}

fn server_hello(ephemeral: &[u8; 32], encrypted_static: Option<Vec<u8>>, payload: Vec<u8>) -> Vec<u8> {
    waproto::codec::handshake_message_to_vec(&HandshakeMessage {
        server_hello: MessageField::some(ServerHello {
            ephemeral: Some(ephemeral.to_vec()),
            r#static: encrypted_static,
            payload: Some(payload),
            ..Default::default()
        }),
        ..Default::default()
    })
}

fn key32(bytes: &[u8]) -> Result<[u8; 32], NoiseError> {
    bytes.try_into().map_err(|_| NoiseError::KeyLength(bytes.len()))
}

#[cfg(test)]
mod tests;
