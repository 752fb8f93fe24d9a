//! A companion with just enough of the protocol to drive the server, built from the wire crates. It
//! checks the certificate chain against the simulator's root key, as real clients check WhatsApp's.

use bytes::BytesMut;
use futures::{SinkExt, StreamExt};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as WsMessage;
use wa_sim::{Paired, Sim};
use wacore::pair::{DeviceState, PairUtils};
use wacore_binary::builder::NodeBuilder;
use wacore_binary::consts::{NOISE_PATTERN_XX, WA_CONN_HEADER};
use wacore_binary::{Jid, Node, Server, marshal, util};
use wacore_libsignal::protocol::{KeyPair, PublicKey};
use wacore_noise::framing::FrameDecoder;
use wacore_noise::{HandshakeUtils, NoiseCipher, NoiseHandshake};
use waproto::buffa::{Message as _, MessageField};
use waproto::whatsapp::ClientPayload;
use waproto::whatsapp::client_payload::user_agent::AppVersion;
use waproto::whatsapp::client_payload::{DevicePairingRegistrationData, UserAgent};

/// Long enough for a loaded machine, short enough to fail a test.
const PATIENCE: Duration = Duration::from_secs(20);

pub fn key_pair() -> KeyPair {
    KeyPair::generate(&mut rand_wire::rng())
}

pub fn raw(key: &PublicKey) -> [u8; 32] {
    key.public_key_bytes().try_into().unwrap()
}

/// What a companion keeps between connections.
pub struct Identity {
    pub noise: KeyPair,
    pub identity: KeyPair,
    pub signed: KeyPair,
    pub adv_secret: [u8; 32],
}

impl Identity {
    pub fn new() -> Self {
        Self { noise: key_pair(), identity: key_pair(), signed: key_pair(), adv_secret: [7; 32] }
    }

    fn pairing_payload(&self, push_name: &str) -> Vec<u8> {
        let signature = self
            .identity
            .private_key
            .calculate_signature(&self.signed.public_key.serialize(), &mut rand_wire::rng())
            .unwrap();
        ClientPayload {
            push_name: Some(push_name.to_owned()),
            device_pairing_data: MessageField::some(DevicePairingRegistrationData {
                e_regid: Some(77_u32.to_be_bytes().to_vec()),
                e_keytype: Some(vec![5]),
                e_ident: Some(raw(&self.identity.public_key).to_vec()),
                e_skey_id: Some(vec![0, 0, 1]),
                e_skey_val: Some(raw(&self.signed.public_key).to_vec()),
                e_skey_sig: Some(signature.to_vec()),
                ..Default::default()
            }),
            ..Default::default()
        }
        .encode_to_vec()
    }
}

pub fn login_payload(paired: &Paired) -> Vec<u8> {
    login_payload_as(paired, [2, 3000, 1_043_857_760])
}

pub fn login_payload_as(paired: &Paired, [primary, secondary, tertiary]: [u32; 3]) -> Vec<u8> {
    let version = AppVersion {
        primary: Some(primary),
        secondary: Some(secondary),
        tertiary: Some(tertiary),
        ..Default::default()
    };
    ClientPayload {
        user_agent: MessageField::some(UserAgent { app_version: MessageField::some(version), ..Default::default() }),
        username: paired.pn.parse().ok(),
        device: Some(u32::from(paired.device)),
        passive: Some(true),
        ..Default::default()
    }
    .encode_to_vec()
}

/// A connection past its handshake.
pub struct Wire {
    pub socket: WebSocketStream<TcpStream>,
    decoder: FrameDecoder,
    write: NoiseCipher,
    read: NoiseCipher,
    sent: u32,
    received: u32,
}

pub async fn open_socket(sim: &Sim) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(sim.addr()).await.unwrap();
    tokio_tungstenite::client_async(sim.ws_url(), stream).await.unwrap().0
}

impl Wire {
    pub async fn open(sim: &Sim, noise_key: &KeyPair, payload: &[u8]) -> Self {
        let mut socket = open_socket(sim).await;
        let mut decoder = FrameDecoder::new();
        let ephemeral = key_pair();
        let hello = HandshakeUtils::build_client_hello(&raw(&ephemeral.public_key));
        let hello = waproto::codec::handshake_message_to_vec(&hello);
        let mut first = WA_CONN_HEADER.to_vec();
        first.extend(framed(&hello));
        socket.send(WsMessage::Binary(first.into())).await.unwrap();

        let reply = next_frame(&mut socket, &mut decoder).await.expect("a server hello");
        let (server_ephemeral, server_static, chain) = HandshakeUtils::parse_server_hello(&reply).unwrap();
        let mut noise = NoiseHandshake::new(NOISE_PATTERN_XX, &WA_CONN_HEADER).unwrap();
        noise.authenticate(&raw(&ephemeral.public_key));
        noise.authenticate(&server_ephemeral);
        let private = ephemeral.private_key.serialize();
        noise.mix_shared_secret(private, &server_ephemeral).unwrap();
        let server_static = noise.decrypt(&server_static).unwrap();
        noise.mix_shared_secret(private, &server_static).unwrap();
        verify_chain(&noise.decrypt(&chain).unwrap(), &server_static, &sim.root_key());
        let fixed = noise.encrypt(&raw(&noise_key.public_key)).unwrap();
        noise.mix_shared_secret(noise_key.private_key.serialize(), &server_ephemeral).unwrap();
        let payload = noise.encrypt(payload).unwrap();
        let finish = HandshakeUtils::build_client_finish(fixed, payload);
        let finish = waproto::codec::handshake_message_to_vec(&finish);
        socket.send(WsMessage::Binary(framed(&finish).into())).await.unwrap();
        let (write, read) = noise.finish().unwrap();
        Self { socket, decoder, write, read, sent: 0, received: 0 }
    }

    pub async fn send(&mut self, node: &Node) {
        let mut frame = marshal(node).unwrap();
        self.write.encrypt_in_place_with_counter(self.sent, &mut frame).unwrap();
        self.sent += 1;
        self.socket.send(WsMessage::Binary(framed(&frame).into())).await.unwrap();
    }

    /// The next stanza; `None` when the server has hung up.
    pub async fn next(&mut self) -> Option<Node> {
        let mut frame = next_frame(&mut self.socket, &mut self.decoder).await?;
        self.read.decrypt_in_place_with_counter(self.received, &mut frame).unwrap();
        self.received += 1;
        let plain = util::unpack(&frame).unwrap();
        Some(wacore_binary::marshal::unmarshal_ref(&plain).unwrap().to_owned())
    }

    /// Skips to the next stanza for which `wanted` holds.
    pub async fn until(&mut self, wanted: impl Fn(&Node) -> bool) -> Node {
        loop {
            let node = self.next().await.expect("the server hung up");
            if wanted(&node) {
                return node;
            }
        }
    }

    pub async fn until_tag(&mut self, tag: &str) -> Node {
        self.until(|node| node.tag == tag).await
    }

    /// Sends an iq and gives its answer.
    pub async fn iq(&mut self, id: &str, xmlns: &str, kind: &str, children: Vec<Node>) -> Node {
        let node = NodeBuilder::new("iq")
            .attr("to", Jid::new("", Server::Pn))
            .attr("id", id)
            .attr("xmlns", xmlns)
            .attr("type", kind)
            .children(children)
            .build();
        self.send(&node).await;
        self.until(|node| node.tag == "iq" && attr(node, "id") == id).await
    }
}

/// A linked companion.
pub struct Companion {
    pub identity: Identity,
    pub paired: Paired,
}

impl Companion {
    /// Links by QR, with the client's own code from `wacore` on this end.
    pub async fn link(sim: &Sim, push_name: &str, phone: Option<&str>) -> Self {
        let identity = Identity::new();
        let mut wire = Wire::open(sim, &identity.noise, &identity.pairing_payload(push_name)).await;
        let offer = wire.until(|node| node.get_optional_child("pair-device").is_some()).await;
        let reference = offer.get_optional_child_by_tag(&["pair-device", "ref"]).unwrap().content_as_string().unwrap();
        let state = DeviceState {
            identity_key: identity.identity.clone(),
            noise_key: identity.noise.clone(),
            adv_secret_key: identity.adv_secret,
        };
        let qr = PairUtils::make_qr_data(&state, &reference, wacore::companion_reg::CompanionWebClientType::Chrome);
        let sign = async {
            let success = wire.until(|node| node.get_optional_child("pair-success").is_some()).await;
            let container = success.get_optional_child_by_tag(&["pair-success", "device-identity"]).unwrap();
            let (signed, index) = PairUtils::do_pair_crypto(&state, bytes_of(container)).unwrap();
            let answer = PairUtils::build_pair_success_response(&attr(&success, "id"), signed, index);
            wire.send(&answer).await;
            let end = wire.until_tag("stream:error").await;
            assert_eq!(attr(&end, "code"), "515");
            assert!(wire.next().await.is_none(), "the server closes after 515");
        };
        let (paired, ()) = tokio::join!(sim.scan_qr(&qr, phone), sign);
        Self { identity, paired: paired.unwrap() }
    }

    /// Logs in; the connection is live when this returns.
    pub async fn connect(&self, sim: &Sim) -> Wire {
        let mut wire = self.log_in(sim).await;
        wire.iq("active", "passive", "set", vec![NodeBuilder::new("active").build()]).await;
        wire
    }

    pub async fn log_in(&self, sim: &Sim) -> Wire {
        let mut wire = Wire::open(sim, &self.identity.noise, &login_payload(&self.paired)).await;
        wire.until_tag("success").await;
        wire
    }

    /// Logs in, whatever comes of it: the first thing the server says.
    pub async fn try_log_in(&self, sim: &Sim) -> (Wire, Option<Node>) {
        let mut wire = Wire::open(sim, &self.identity.noise, &login_payload(&self.paired)).await;
        let first = wire.next().await;
        (wire, first)
    }

    pub fn jid(&self) -> Jid {
        self.paired.jid.parse().unwrap()
    }
}

/// A request to the admin interface: status and body.
pub async fn admin(sim: &Sim, method: &str, path: &str, body: &str) -> (u16, serde_json::Value) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = TcpStream::connect(sim.addr()).await.unwrap();
    let length = body.len();
    let head = format!(
        "{method} /admin/{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    (status, serde_json::from_str(body).unwrap_or_default())
}

/// A message whose ciphertexts mean nothing: the server only relays them.
pub fn opaque_message(id: &str, to: &Jid, devices: &[Jid]) -> Node {
    let participants = devices.iter().map(|jid| {
        let enc = NodeBuilder::new("enc").attr("v", "2").attr("type", "msg").bytes(jid.to_string().into_bytes());
        NodeBuilder::new("to").attr("jid", jid).children([enc.build()]).build()
    });
    NodeBuilder::new("message")
        .attr("to", to.to_non_ad())
        .attr("id", id)
        .attr("type", "text")
        .children([NodeBuilder::new("participants").children(participants).build()])
        .build()
}

pub fn receipt(id: &str, to: &Jid, kind: Option<&str>) -> Node {
    let node = NodeBuilder::new("receipt").attr("id", id).attr("to", to);
    match kind {
        Some(kind) => node.attr("type", kind).build(),
        None => node.build(),
    }
}

pub fn attr(node: &Node, key: &str) -> String {
    node.attrs.get(key).map(ToString::to_string).unwrap_or_default()
}

pub fn bytes_of(node: &Node) -> &[u8] {
    match &node.content {
        Some(wacore_binary::NodeContent::Bytes(bytes)) => bytes,
        _ => &[],
    }
}

pub fn framed(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&length[1..], body].concat()
}

async fn next_frame(socket: &mut WebSocketStream<TcpStream>, decoder: &mut FrameDecoder) -> Option<BytesMut> {
    loop {
        if let Some(frame) = decoder.decode_frame() {
            return Some(frame);
        }
        let message = tokio::time::timeout(PATIENCE, socket.next()).await.expect("the server is silent");
        match message {
            Some(Ok(WsMessage::Binary(bytes))) => decoder.feed(&bytes),
            Some(Ok(WsMessage::Close(_)) | Err(_)) | None => return None,
            Some(Ok(_)) => {}
        }
    }
}

fn verify_chain(chain: &[u8], server_static: &[u8], root: &[u8; 32]) {
    let chain = waproto::codec::cert_chain_decode(chain).unwrap();
    let (leaf, mid) = (chain.leaf.unwrap(), chain.intermediate.unwrap());
    let (leaf_bytes, mid_bytes) = (leaf.details.unwrap(), mid.details.unwrap());
    let mid_details = waproto::codec::noise_certificate_details_decode(&mid_bytes).unwrap();
    let leaf_details = waproto::codec::noise_certificate_details_decode(&leaf_bytes).unwrap();
    let key = |bytes: &[u8]| PublicKey::from_djb_public_key_bytes(bytes).unwrap();
    assert!(key(root).verify_signature(&mid_bytes, &mid.signature.unwrap()));
    assert!(key(&mid_details.key.unwrap()).verify_signature(&leaf_bytes, &leaf.signature.unwrap()));
    assert_eq!(leaf_details.key.as_deref(), Some(server_static));
}
