//! The tap on one connection: what it lets in and out, how fast, and when it ends.
//!
//! A connection that nobody disturbs costs one atomic read per stanza and direction.

use crate::crypto;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// How a connection behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Open,
    /// Swallows everything and says nothing, not even a WebSocket pong.
    Silent,
    /// The same, but WebSocket pings are answered.
    SilentButPonging,
    /// After `<success>` like [`SilentButPonging`](Self::SilentButPonging).
    DeafLogin,
    /// Requests are answered; messages and receipts are neither taken nor delivered.
    Deaf,
}

impl Mode {
    fn bits(self) -> u32 {
        match self {
            Self::Open => 0,
            Self::Silent => 1,
            Self::SilentButPonging => 2,
            Self::DeafLogin => 3,
            Self::Deaf => 4,
        }
    }

    fn of(flags: u32) -> Self {
        match flags & MODE {
            1 => Self::Silent,
            2 => Self::SilentButPonging,
            3 => Self::DeafLogin,
            4 => Self::Deaf,
            _ => Self::Open,
        }
    }
}

const MODE: u32 = 7;
const COUNTING: u32 = 8;
const SHAPED: u32 = 16;

/// Speed of a connection. Zero means unhindered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Speed {
    pub(crate) latency_ms: u32,
    pub(crate) jitter_ms: u32,
    pub(crate) bytes_per_sec: u64,
}

/// What to do with a stanza that came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Take,
    Swallow,
    /// Take it, answer nothing, and hang up.
    TakeAsLast,
}

/// See the module's head.
#[derive(Default)]
pub(crate) struct Gate {
    flags: AtomicU32,
    left: AtomicU32,
    latency_ms: AtomicU32,
    jitter_ms: AtomicU32,
    bytes_per_sec: AtomicU64,
}

impl Gate {
    /// Nothing is the matter with this connection.
    pub(crate) fn is_open(&self) -> bool {
        self.flags.load(Ordering::Acquire) == 0
    }

    pub(crate) fn mode(&self) -> Mode {
        Mode::of(self.flags.load(Ordering::Acquire))
    }

    pub(crate) fn is_silent(&self) -> bool {
        matches!(self.mode(), Mode::Silent | Mode::SilentButPonging)
    }

    pub(crate) fn set_mode(&self, mode: Mode) {
        self.change(MODE, mode.bits());
    }

    /// The connection ends with the `stanzas`-th stanza from now.
    pub(crate) fn end_after(&self, stanzas: u32) {
        self.left.store(stanzas.max(1), Ordering::Release);
        self.change(COUNTING, COUNTING);
    }

    pub(crate) fn set_speed(&self, speed: Speed) {
        self.latency_ms.store(speed.latency_ms, Ordering::Relaxed);
        self.jitter_ms.store(speed.jitter_ms, Ordering::Relaxed);
        self.bytes_per_sec.store(speed.bytes_per_sec, Ordering::Relaxed);
        self.change(SHAPED, if speed == Speed::default() { 0 } else { SHAPED });
    }

    fn change(&self, mask: u32, bits: u32) {
        self.flags.fetch_and(!mask, Ordering::AcqRel);
        self.flags.fetch_or(bits, Ordering::AcqRel);
    }

    /// Judges a stanza the client said.
    pub(crate) fn incoming(&self, tag: &str) -> Verdict {
        let flags = self.flags.load(Ordering::Acquire);
        if flags == 0 {
            return Verdict::Take;
        }
        if flags & COUNTING != 0 {
            let left = self.left.load(Ordering::Acquire).saturating_sub(1);
            self.left.store(left, Ordering::Release);
            if left == 0 {
                self.set_mode(Mode::Silent);
                return Verdict::TakeAsLast;
            }
        }
        match Mode::of(flags) {
            Mode::Open => Verdict::Take,
            Mode::Deaf if matches!(tag, "iq" | "ib" | "presence") => Verdict::Take,
            _ => Verdict::Swallow,
        }
    }

    /// Whether a marshalled stanza may leave.
    pub(crate) fn lets_out(&self, stanza: &[u8]) -> bool {
        let passing: &[&str] = match self.mode() {
            Mode::Open => return true,
            Mode::Silent | Mode::SilentButPonging => return false,
            Mode::DeafLogin => &["success"],
            Mode::Deaf => &["success", "iq", "ib", "stream:error"],
        };
        // Behind one flag byte, as everything in an outbox.
        wacore_binary::marshal::unmarshal_ref(stanza.get(1..).unwrap_or_default())
            .is_ok_and(|node| passing.contains(&&*node.tag))
    }

    /// When something said now is due at the client; nothing when the connection is unhindered.
    pub(crate) fn due(&self) -> Option<Instant> {
        if self.flags.load(Ordering::Acquire) & SHAPED == 0 {
            return None;
        }
        let jitter = self.jitter_ms.load(Ordering::Relaxed);
        let jitter = if jitter == 0 { 0 } else { u32::from_be_bytes(crypto::random()) % (jitter + 1) };
        let delay = self.latency_ms.load(Ordering::Relaxed).saturating_add(jitter);
        Some(Instant::now() + Duration::from_millis(delay.into()))
    }

    /// Takes as long as `bytes` take on this connection.
    pub(crate) async fn pace(&self, bytes: usize) {
        if self.flags.load(Ordering::Acquire) & SHAPED == 0 {
            return;
        }
        let rate = self.bytes_per_sec.load(Ordering::Relaxed);
        if rate > 0 {
            tokio::time::sleep(Duration::from_secs_f64(bytes as f64 / rate as f64)).await;
        }
    }
}

/// A stream whose writes vanish while its gate is silent. The WebSocket layer answers pings by itself,
/// below everything that knows stanzas; this is what keeps it quiet.
pub(crate) struct Muted<S> {
    inner: S,
    gate: Arc<Gate>,
}

impl<S> Muted<S> {
    pub(crate) fn new(inner: S, gate: Arc<Gate>) -> Self {
        Self { inner, gate }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Muted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Muted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        if self.gate.mode() == Mode::Silent {
            return Poll::Ready(Ok(buf.len()));
        }
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stanza;

    #[test]
    fn each_mode_lets_through_what_it_says() {
        let gate = Gate::default();
        let said = |tag: &'static str| gate.lets_out(&stanza::encode(&stanza::tag(tag)));
        let table = [
            (Mode::Open, "message", (Verdict::Take, true)),
            (Mode::Silent, "iq", (Verdict::Swallow, false)),
            (Mode::SilentButPonging, "iq", (Verdict::Swallow, false)),
            (Mode::DeafLogin, "success", (Verdict::Swallow, true)),
            (Mode::DeafLogin, "iq", (Verdict::Swallow, false)),
            (Mode::Deaf, "iq", (Verdict::Take, true)),
            (Mode::Deaf, "message", (Verdict::Swallow, false)),
            (Mode::Deaf, "ack", (Verdict::Swallow, false)),
        ];
        for (mode, tag, expected) in table {
            gate.set_mode(mode);
            assert_eq!((gate.incoming(tag), said(tag)), expected, "{mode:?} {tag}");
        }
    }

    #[test]
    fn the_last_stanza_is_taken_and_not_answered() {
        let gate = Gate::default();
        gate.end_after(2);
        assert_eq!(gate.incoming("message"), Verdict::Take);
        assert_eq!(gate.incoming("message"), Verdict::TakeAsLast);
        assert!(!gate.lets_out(&stanza::encode(&stanza::tag("ack"))));
    }
}
