//! The initiator here is built from wacore-noise's primitives: its ready-made state machines insist
//! on WhatsApp's own root key.

use super::*;
use crate::clock::Clock;
use waproto::whatsapp::handshake_message::{ClientFinish, ClientHello};

fn identity() -> Identity {
    Identity::generate(&Clock::default()).unwrap()
}

fn hello_of(reply: &[u8]) -> ServerHello {
    waproto::codec::handshake_message_decode(reply).unwrap().server_hello.into_option().unwrap()
}

struct Client {
    ephemeral: KeyPair,
    fixed: KeyPair,
}

impl Client {
    fn new() -> Self {
        Self { ephemeral: crypto::key_pair(), fixed: crypto::key_pair() }
    }

    fn hello(&self, extra: Option<(Vec<u8>, Vec<u8>)>) -> Vec<u8> {
        let (fixed, payload) = extra.unzip();
        waproto::codec::handshake_message_to_vec(&HandshakeMessage {
            client_hello: MessageField::some(ClientHello {
                ephemeral: Some(crypto::raw(&self.ephemeral.public_key).to_vec()),
                r#static: fixed,
                payload,
                ..Default::default()
            }),
            ..Default::default()
        })
    }

    /// Reads an XX-shaped answer; gives `ClientFinish` and the ciphers.
    fn finish_xx(&self, pattern: &str, reply: &[u8], payload: &[u8]) -> (Vec<u8>, NoiseCipher, NoiseCipher) {
        let server = hello_of(reply);
        let server_ephemeral = server.ephemeral.unwrap();
        let mut noise = NoiseHandshake::new(pattern, &WA_CONN_HEADER).unwrap();
        noise.authenticate(&crypto::raw(&self.ephemeral.public_key));
        noise.authenticate(&server_ephemeral);
        let private = self.ephemeral.private_key.serialize();
        noise.mix_shared_secret(private, &server_ephemeral).unwrap();
        let server_static = noise.decrypt(&server.r#static.unwrap()).unwrap();
        noise.mix_shared_secret(private, &server_static).unwrap();
        noise.decrypt(&server.payload.unwrap()).unwrap();
        let fixed = noise.encrypt(self.fixed.public_key.public_key_bytes()).unwrap();
        noise.mix_shared_secret(self.fixed.private_key.serialize(), &server_ephemeral).unwrap();
        let payload = noise.encrypt(payload).unwrap();
        let (write, read) = noise.finish().unwrap();
        let message = waproto::codec::handshake_message_to_vec(&HandshakeMessage {
            client_finish: MessageField::some(ClientFinish {
                r#static: Some(fixed),
                payload: Some(payload),
                ..Default::default()
            }),
            ..Default::default()
        });
        (message, write, read)
    }

    fn ik_hello(&self, server_static: &[u8], payload: &[u8]) -> (Vec<u8>, NoiseHandshake) {
        let mut noise = NoiseHandshake::new(NOISE_PATTERN_IK, &WA_CONN_HEADER).unwrap();
        noise.authenticate(server_static);
        noise.authenticate(&crypto::raw(&self.ephemeral.public_key));
        noise.mix_shared_secret(self.ephemeral.private_key.serialize(), server_static).unwrap();
        let fixed = noise.encrypt(self.fixed.public_key.public_key_bytes()).unwrap();
        noise.mix_shared_secret(self.fixed.private_key.serialize(), server_static).unwrap();
        let payload = noise.encrypt(payload).unwrap();
        (self.hello(Some((fixed, payload))), noise)
    }
}

fn talk(client_write: &NoiseCipher, client_read: &NoiseCipher, server: &Established) {
    let mut up = b"up".to_vec();
    client_write.encrypt_in_place_with_counter(0, &mut up).unwrap();
    server.read.decrypt_in_place_with_counter(0, &mut up).unwrap();
    let mut down = b"down".to_vec();
    server.write.encrypt_in_place_with_counter(0, &mut down).unwrap();
    client_read.decrypt_in_place_with_counter(0, &mut down).unwrap();
    assert_eq!((&up[..], &down[..]), (&b"up"[..], &b"down"[..]));
}

#[test]
fn xx_gives_both_sides_the_same_keys() {
    let (identity, client) = (identity(), Client::new());
    let Step::AwaitFinish { reply, pending } = client_hello(&client.hello(None), &identity, true).unwrap() else {
        panic!("XX has three messages");
    };
    let (finish, write, read) = client.finish_xx(NOISE_PATTERN_XX, &reply, b"payload");
    let established = pending.client_finish(&finish).unwrap();
    assert_eq!(established.payload, b"payload");
    assert_eq!(established.client_static, crypto::raw(&client.fixed.public_key));
    talk(&write, &read, &established);
}

#[test]
fn ik_is_over_in_one_round_trip() {
    let (identity, client) = (identity(), Client::new());
    let (hello, mut noise) = client.ik_hello(&crypto::raw(&identity.static_key.public_key), b"payload");
    let Step::Done { reply, established } = client_hello(&hello, &identity, true).unwrap() else {
        panic!("IK was refused");
    };
    let server = hello_of(&reply);
    assert!(server.r#static.is_none());
    let ephemeral = server.ephemeral.unwrap();
    noise.authenticate(&ephemeral);
    for key in [&client.ephemeral, &client.fixed] {
        noise.mix_shared_secret(key.private_key.serialize(), &ephemeral).unwrap();
    }
    noise.decrypt(&server.payload.unwrap()).unwrap();
    let (write, read) = noise.finish().unwrap();
    assert_eq!(established.payload, b"payload");
    talk(&write, &read, &established);
}

#[test]
fn ik_falls_back_on_a_stale_key_and_on_request() {
    let (identity, client) = (identity(), Client::new());
    let current = crypto::raw(&identity.static_key.public_key);
    let stale = crypto::raw(&crypto::key_pair().public_key);
    for (key, allow_ik) in [(stale, true), (current, false)] {
        let (hello, _) = client.ik_hello(&key, b"payload");
        let Step::AwaitFinish { reply, pending } = client_hello(&hello, &identity, allow_ik).unwrap() else {
            panic!("should have fallen back");
        };
        let (finish, write, read) = client.finish_xx(NOISE_PATTERN_XXFALLBACK, &reply, b"payload");
        talk(&write, &read, &pending.client_finish(&finish).unwrap());
    }
}

#[test]
fn garbage_is_an_error_and_never_a_panic() {
    let identity = identity();
    for bytes in [&[][..], &[0xff; 40], b"\x12\x02\x0a\x00"] {
        assert!(client_hello(bytes, &identity, true).is_err());
    }
}
