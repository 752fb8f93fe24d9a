//! Time and randomness as arguments.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicI64, Ordering},
};

use uuid::Uuid;

use crate::{WaMessageId, time::Timestamp};

/// Where the current time comes from.
pub trait Clock: Send + Sync + 'static {
    /// The current time, to the millisecond.
    fn now(&self) -> Timestamp;
}

/// Where unpredictable bytes come from.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `buffer` with bytes that nobody can guess.
    fn fill(&self, buffer: &mut [u8]);
}

/// The two things a rule may not take from the air: the time, and chance.
#[derive(Clone)]
pub struct Env {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Env {
    /// An environment of the given parts.
    pub fn new(clock: impl Clock, entropy: impl Entropy) -> Self {
        Self { clock: Arc::new(clock), entropy: Arc::new(entropy) }
    }

    /// The machine's own clock and random source.
    pub fn system() -> Self {
        Self::new(SystemClock, SystemEntropy)
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Fills `buffer` with unpredictable bytes.
    pub fn fill(&self, buffer: &mut [u8]) {
        self.entropy.fill(buffer);
    }

    /// `N` unpredictable bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A fresh id, a UUID of version 7: ids sort by the millisecond in which they were made.
    pub fn new_id<I: From<Uuid>>(&self) -> I {
        let millis = u64::try_from(self.now().as_millis()).unwrap_or(0);
        I::from(uuid::Builder::from_unix_timestamp_millis(millis, &self.bytes()).into_uuid())
    }

    /// A fresh WhatsApp message id of the form that WhatsApp Web clients draw: `3EB0` and 18 hex digits
    /// (whatsapp-rust 0.7.0, `wr/send`; docs/protocol.md, "Sending").
    pub fn new_wa_message_id(&self) -> WaMessageId {
        use std::fmt::Write;
        let mut id = String::with_capacity(22);
        id.push_str("3EB0");
        for byte in self.bytes::<9>() {
            // Writing to a String cannot fail.
            let _ = write!(id, "{byte:02X}");
        }
        WaMessageId::from(id)
    }
}

impl std::fmt::Debug for Env {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Env").field("now", &self.now()).finish_non_exhaustive()
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }
}

/// The operating system's random source.
#[derive(Debug, Clone, Copy)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("without the operating system's random source no secret may be made");
    }
}

/// A clock for tests that stands still until it is moved. Clones share the hands.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that shows `start`.
    pub fn at(start: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(start.as_millis())))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: std::time::Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// A repeatable sequence of bytes for tests (SplitMix64). Never for secrets.
#[derive(Debug)]
pub struct SeededEntropy(Mutex<u64>);

impl SeededEntropy {
    /// The sequence that belongs to `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        let mut state = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for chunk in buffer.chunks_mut(8) {
            *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = *state;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^= z >> 31;
            chunk.copy_from_slice(&z.to_le_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MessageId;

    #[test]
    fn ids_sort_by_the_millisecond_in_which_they_were_made() {
        let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
        let env = Env::new(clock.clone(), SeededEntropy::new(7));
        let first: MessageId = env.new_id();
        clock.advance(std::time::Duration::from_millis(1));
        let second: MessageId = env.new_id();
        assert!(first < second);
        assert_eq!(first.as_uuid().get_version_num(), 7);
    }

    #[test]
    fn a_whatsapp_message_id_has_the_form_of_a_web_client() {
        let id = Env::system().new_wa_message_id();
        assert_eq!(id.as_str().len(), 22);
        assert!(id.as_str().starts_with("3EB0"));
        assert!(id.as_str().bytes().all(|b| b.is_ascii_hexdigit()));
    }
}
