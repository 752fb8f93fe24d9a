//! One WebSocket connection: preamble, handshake, frames, and the two tasks that read and write it.
//! wire.md 2.0.
//!
//! The promise: whatever a client sends (a wrong preamble, a frame that does not decrypt, a node that
//! does not parse, a stanza that makes no sense) ends this connection and nothing else; a client that
//! does not read is closed by its bounded outbox or by the write timeout.

mod writer;

use crate::core::{Core, Stats};
use crate::network::{self, Connection, Verdict};
use crate::noise::{self, Established, NoiseError, Step};
use crate::outbox::{Outbox, outbox};
use crate::pairing::{Applicant, Pending};
use crate::session::{self, Session};
use crate::stanza::BadStanza;
use crate::works::AtWork;
use bytes::{Buf as _, BufMut as _, BytesMut};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_util::sync::CancellationToken;
use wacore_binary::Node;
use wacore_binary::consts::WA_CONN_HEADER;
use wacore_noise::NoiseCipher;
use wacore_noise::framing::{FRAME_LENGTH_SIZE, FRAME_MAX_SIZE, FrameDecoder};
use waproto::buffa::Message as _;
use waproto::whatsapp::ClientPayload;
use writer::Writer;

/// A handshake message is a few hundred bytes; a device's properties are the longest part.
const MAX_HANDSHAKE: usize = 64 << 10;
/// Routing information that a client may put before its preamble.
const MAX_ROUTING: usize = 4 << 10;
/// Large enough for a handful of stanzas, small enough for thousands of idle sockets.
const READ_BUFFER: usize = 4 << 10;
const FRAME_OVERHEAD: usize = FRAME_LENGTH_SIZE + 16;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum Hangup {
    #[error("the client hung up")]
    Gone,
    #[error("closed by the server")]
    Closed,
    #[error("websocket: {0}")]
    WebSocket(#[from] WsError),
    #[error("not WhatsApp: the preamble is wrong")]
    Preamble,
    #[error("a text message on a binary protocol")]
    NotBinary,
    #[error("a frame that is too large")]
    TooLarge,
    #[error("handshake: {0}")]
    Noise(#[from] NoiseError),
    #[error("handshake took too long")]
    Slow,
    #[error("a frame that does not decrypt")]
    Decrypt,
    #[error("a frame that does not parse: {0}")]
    Binary(#[from] wacore_binary::BinaryError),
    #[error(transparent)]
    Stanza(#[from] BadStanza),
    #[error("a payload that does not parse: {0}")]
    Payload(#[from] waproto::buffa::DecodeError),
    #[error("a payload that neither logs in nor asks to be linked")]
    NoPurpose,
}

/// The buffers of a WebSocket that may be one of thousands.
pub(crate) fn websocket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(FRAME_MAX_SIZE + FRAME_OVERHEAD))
        .max_frame_size(Some(FRAME_MAX_SIZE + FRAME_OVERHEAD))
}

/// Serves a connection to its end.
pub(crate) async fn serve<S>(core: Arc<Core>, socket: WebSocketStream<S>, connection: Arc<Connection>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    Stats::add(&core.stats.connections);
    let closed = connection.closed.clone();
    let (sink, stream) = socket.split();
    let reader =
        Reader { stream, decoder: FrameDecoder::new(), preamble: Some(BytesMut::new()), closed: closed.clone() };
    let ended = run(&core, &connection, reader, sink).await;
    closed.cancel();
    core.network.shut(&connection);
    match ended {
        Hangup::Gone | Hangup::Closed => tracing::debug!(reason = %ended, "connection ended"),
        _ => {
            Stats::add(&core.stats.bad_stanzas);
            tracing::info!(reason = %ended, "connection ended");
        }
    }
}

async fn run<S>(core: &Arc<Core>, connection: &Connection, mut reader: Reader<S>, mut sink: Sink<S>) -> Hangup
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    if connection.gate.is_silent() {
        return reader.swallow().await;
    }
    let handshake = handshake(core, &mut reader, &mut sink);
    let established = match tokio::time::timeout(core.config.handshake_timeout, handshake).await {
        Ok(Ok(established)) => established,
        Ok(Err(hangup)) => return hangup,
        Err(_) => return Hangup::Slow,
    };
    let Established { write, read, client_static, payload } = established;
    let payload = match ClientPayload::decode_from_slice(&payload) {
        Ok(payload) => payload,
        Err(error) => return error.into(),
    };
    let (outbox, outgoing) = outbox(reader.closed.clone(), Arc::clone(&connection.gate));
    connection.set_outbox(&outbox);
    let gate = Arc::clone(&connection.gate);
    let writer = Writer { sink, cipher: write, counter: 0, closed: reader.closed.clone(), gate };
    let writing = tokio::spawn(writer.run(outgoing, core.config.write_timeout));
    let mut frames = Decrypted { reader, cipher: read, counter: 0 };
    let ended = if payload.device_pairing_data.is_set() {
        match Applicant::read(&payload, client_static) {
            Some(_) if core.network.too_old(session::version(&payload)) => {
                refuse(&crate::stanza::failure(405), &outbox, &mut frames).await
            }
            Some(applicant) => pair(core, applicant, connection, &outbox, &mut frames).await,
            None => Err(Hangup::NoPurpose),
        }
    } else if payload.username.is_some() {
        log_in(core, &payload, &client_static, connection, &outbox, &mut frames).await
    } else {
        Err(Hangup::NoPurpose)
    };
    drop(outbox);
    frames.reader.closed.cancel();
    // The writer ends with the token; a panic in it has been reported by the runtime already.
    let _ = writing.await;
    ended.err().unwrap_or(Hangup::Closed)
}

async fn pair<S>(
    core: &Arc<Core>,
    applicant: Applicant,
    connection: &Connection,
    outbox: &Arc<Outbox>,
    frames: &mut Decrypted<S>,
) -> Result<(), Hangup>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let pending: Arc<Pending> = core.pairings.begin(core, applicant, Arc::clone(outbox));
    let ended = async {
        loop {
            let plain = frames.next().await?;
            let node = frames::parse(&plain)?;
            let node = wacore_binary::marshal::unmarshal_ref(&node)?;
            let Some(_at_work) = enter(core, connection).await else {
                return Err(Hangup::Closed);
            };
            if connection.gate.incoming(&node.tag) != Verdict::Swallow {
                pending.handle(core, &node)?;
            }
        }
    }
    .await;
    core.pairings.end(&pending);
    ended
}

async fn log_in<S>(
    core: &Arc<Core>,
    payload: &ClientPayload,
    client_static: &[u8; 32],
    connection: &Connection,
    outbox: &Arc<Outbox>,
    frames: &mut Decrypted<S>,
) -> Result<(), Hangup>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let session = match Session::login(core, payload, client_static, connection, outbox) {
        Ok(session) => session,
        Err(failure) => return refuse(&network::failure(&failure), outbox, frames).await,
    };
    let gate = &connection.gate;
    let ended = async {
        loop {
            let plain = frames.next().await?;
            if !gate.is_open() {
                gate.pace(plain.len()).await;
            }
            let node = frames::parse(&plain)?;
            let node = wacore_binary::marshal::unmarshal_ref(&node)?;
            let Some(_at_work) = enter(core, connection).await else {
                return Err(Hangup::Closed);
            };
            match gate.incoming(&node.tag) {
                Verdict::Take => session.handle(core, &node).await?,
                Verdict::Swallow => {}
                Verdict::TakeAsLast => {
                    session.handle(core, &node).await?;
                    return Err(Hangup::Closed);
                }
            }
        }
    }
    .await;
    session.end(core);
    ended
}

/// Waits while a save is going on; nothing when the connection ends meanwhile.
async fn enter<'c>(core: &'c Core, connection: &Connection) -> Option<AtWork<'c>> {
    if let Some(at_work) = core.works.try_enter() {
        return Some(at_work);
    }
    tokio::select! {
        at_work = core.works.enter() => Some(at_work),
        () = connection.closed.cancelled() => None,
    }
}

/// Says why, and closes.
async fn refuse<S>(failure: &Node, outbox: &Outbox, frames: &mut Decrypted<S>) -> Result<(), Hangup>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    outbox.push(crate::stanza::encode(failure));
    outbox.finish();
    while frames.next().await.is_ok() {}
    Ok(())
}

/// The step between a decrypted frame and a node.
mod frames {
    use super::Hangup;
    use std::borrow::Cow;

    pub(super) fn parse(plain: &[u8]) -> Result<Cow<'_, [u8]>, Hangup> {
        Ok(wacore_binary::util::unpack(plain)?)
    }
}

type Sink<S> = SplitSink<WebSocketStream<S>, Message>;

async fn handshake<S>(core: &Core, reader: &mut Reader<S>, sink: &mut Sink<S>) -> Result<Established, Hangup>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let hello = reader.next_frame(MAX_HANDSHAKE).await?;
    match noise::client_hello(&hello, &core.identity, core.config.allow_ik)? {
        Step::Done { reply, established } => {
            sink.send(framed(&reply)).await?;
            Ok(*established)
        }
        Step::AwaitFinish { reply, pending } => {
            sink.send(framed(&reply)).await?;
            let finish = reader.next_frame(MAX_HANDSHAKE).await?;
            Ok(pending.client_finish(&finish)?)
        }
    }
}

fn framed(body: &[u8]) -> Message {
    let mut out = BytesMut::with_capacity(FRAME_LENGTH_SIZE + body.len());
    put_length(&mut out, body.len());
    out.put_slice(body);
    Message::Binary(out.freeze())
}

fn put_length(out: &mut BytesMut, len: usize) {
    // Callers keep to FRAME_MAX_SIZE, so the length fits three bytes.
    out.put_uint(len as u64, FRAME_LENGTH_SIZE);
}

struct Reader<S> {
    stream: SplitStream<WebSocketStream<S>>,
    decoder: FrameDecoder,
    /// What came so far, until the preamble is complete.
    preamble: Option<BytesMut>,
    closed: CancellationToken,
}

impl<S> Reader<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    /// Reads and forgets, until the client hangs up.
    async fn swallow(&mut self) -> Hangup {
        loop {
            tokio::select! {
                message = self.stream.next() => if !matches!(message, Some(Ok(_))) {
                    return Hangup::Gone;
                },
                () = self.closed.cancelled() => return Hangup::Closed,
            }
        }
    }

    async fn next_frame(&mut self, limit: usize) -> Result<BytesMut, Hangup> {
        loop {
            if self.preamble.is_none()
                && let Some(frame) = self.decoder.decode_frame()
            {
                return if frame.len() > limit { Err(Hangup::TooLarge) } else { Ok(frame) };
            }
            if self.decoder.buffered_len() > limit + FRAME_OVERHEAD {
                return Err(Hangup::TooLarge);
            }
            let message = tokio::select! {
                message = self.stream.next() => message.ok_or(Hangup::Gone)?,
                () = self.closed.cancelled() => return Err(Hangup::Closed),
            };
            match message {
                Ok(Message::Binary(bytes)) => self.feed(&bytes)?,
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Ok(Message::Close(_)) | Err(WsError::ConnectionClosed | WsError::AlreadyClosed | WsError::Io(_)) => {
                    return Err(Hangup::Gone);
                }
                Ok(Message::Text(_)) => return Err(Hangup::NotBinary),
                Err(WsError::Protocol(
                    tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
                )) => return Err(Hangup::Gone),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn feed(&mut self, bytes: &[u8]) -> Result<(), Hangup> {
        let Some(seen) = &mut self.preamble else {
            self.decoder.feed(bytes);
            return Ok(());
        };
        seen.extend_from_slice(bytes);
        if strip_preamble(seen)? {
            self.decoder.feed(seen);
            self.preamble = None;
        }
        Ok(())
    }
}

/// Takes `[ED .. .. length routing] WA 06 03` off the front; false while it is incomplete.
fn strip_preamble(seen: &mut BytesMut) -> Result<bool, Hangup> {
    let routing = if seen.starts_with(b"ED") {
        let Some(length) = seen.get(4..7) else {
            return Ok(false);
        };
        let length = length.iter().fold(0, |n, byte| (n << 8) | usize::from(*byte));
        if length > MAX_ROUTING {
            return Err(Hangup::Preamble);
        }
        7 + length
    } else {
        0
    };
    let header = seen.get(routing..).unwrap_or_default();
    let known = header.len().min(WA_CONN_HEADER.len());
    if header[..known] != WA_CONN_HEADER[..known] && !(routing == 0 && known == 1 && header == b"E") {
        return Err(Hangup::Preamble);
    }
    if known < WA_CONN_HEADER.len() {
        return Ok(false);
    }
    seen.advance(routing + WA_CONN_HEADER.len());
    Ok(true)
}

struct Decrypted<S> {
    reader: Reader<S>,
    cipher: NoiseCipher,
    counter: u32,
}

impl<S> Decrypted<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    async fn next(&mut self) -> Result<BytesMut, Hangup> {
        let mut frame = self.reader.next_frame(FRAME_MAX_SIZE).await?;
        self.cipher.decrypt_in_place_with_counter(self.counter, &mut frame).map_err(|_| Hangup::Decrypt)?;
        self.counter = self.counter.checked_add(1).ok_or(Hangup::Decrypt)?;
        Ok(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preamble_may_come_in_pieces_and_with_routing() {
        let routed = b"ED\0\x01\0\0\x03abcWA\x06\x03rest";
        for whole in [&b"WA\x06\x03rest"[..], &routed[..]] {
            let end = whole.len() - 4;
            let mut seen = BytesMut::new();
            for byte in &whole[..end - 1] {
                seen.put_u8(*byte);
                assert!(!strip_preamble(&mut seen).unwrap());
            }
            seen.put_slice(&whole[end - 1..]);
            assert!(strip_preamble(&mut seen).unwrap());
            assert_eq!(&seen[..], b"rest");
        }
    }

    #[test]
    fn a_wrong_preamble_is_refused_at_its_first_wrong_byte() {
        for wrong in [&b"G"[..], b"WB", b"WA\x06\x02", b"ED\0\x01\xff\xff\xff"] {
            assert!(strip_preamble(&mut BytesMut::from(wrong)).is_err(), "{wrong:?}");
        }
    }
}
