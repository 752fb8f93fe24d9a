//! Which message counters a phone has seen, to notice one that is used twice.
//!
//! A sender whose ratchet was set back (a crash before its state was on disk) encrypts a second message
//! with a counter that is used up: the same key and IV for two texts, and unreadable besides. The same
//! ciphertext again is only a repeat. Remembered are the last [`MAX_SEEN`] counters of a phone.

mod saved;

use super::EncKind;
use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use wacore_libsignal::protocol::{PreKeySignalMessage, ProtocolAddress, SenderKeyMessage, SignalMessage};

/// Counters remembered per phone; each takes some 50 bytes.
const MAX_SEEN: usize = 100_000;

/// One use of a counter: who used it in which ratchet, and for which ciphertext.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Use {
    counter: u64,
    ciphertext: u64,
}

impl Use {
    /// Reads a ciphertext; `None` when it is none.
    pub(crate) fn read(peer: &ProtocolAddress, group: Option<&str>, kind: EncKind, bytes: &[u8]) -> Option<Self> {
        let mut hasher = DefaultHasher::new();
        peer.as_str().hash(&mut hasher);
        let signal = |message: &SignalMessage, hasher: &mut DefaultHasher| {
            message.sender_ratchet_key().public_key_bytes().hash(hasher);
            message.counter().hash(hasher);
            hash(message.serialized())
        };
        // A session's first messages come in different wrappings; what counts is inside.
        let ciphertext = match kind {
            EncKind::PreKey => signal(PreKeySignalMessage::try_from(bytes).ok()?.message(), &mut hasher),
            EncKind::Signal => signal(&SignalMessage::try_from(bytes).ok()?, &mut hasher),
            EncKind::SenderKey => {
                let message = SenderKeyMessage::try_from(bytes).ok()?;
                group.hash(&mut hasher);
                (message.chain_id(), message.iteration()).hash(&mut hasher);
                hash(bytes)
            }
        };
        Some(Self { counter: hasher.finish(), ciphertext })
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// What is known of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    New,
    Repeat,
    Reused,
}

/// See the module's head.
#[derive(Default)]
pub(crate) struct Counters {
    seen: HashMap<u64, u64>,
    order: VecDeque<u64>,
}

impl Counters {
    pub(crate) fn judge(&self, used: Use) -> Verdict {
        match self.seen.get(&used.counter) {
            None => Verdict::New,
            Some(ciphertext) if *ciphertext == used.ciphertext => Verdict::Repeat,
            Some(_) => Verdict::Reused,
        }
    }

    /// Remembers a counter whose message could be read: one that could not proves nothing, its bytes may be damaged.
    pub(crate) fn remember(&mut self, used: Use) {
        if self.seen.insert(used.counter, used.ciphertext).is_none() {
            self.order.push_back(used.counter);
            if self.order.len() > MAX_SEEN
                && let Some(oldest) = self.order.pop_front()
            {
                self.seen.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_ciphertext_under_a_used_counter_is_noticed_and_a_repeat_is_not() {
        let mut counters = Counters::default();
        let first = Use { counter: 1, ciphertext: 10 };
        assert_eq!(counters.judge(first), Verdict::New);
        counters.remember(first);
        assert_eq!(counters.judge(first), Verdict::Repeat);
        assert_eq!(counters.judge(Use { ciphertext: 11, ..first }), Verdict::Reused);
        assert_eq!(counters.judge(Use { counter: 2, ..first }), Verdict::New);
    }

    #[test]
    fn memory_is_bounded() {
        let mut counters = Counters::default();
        for counter in 0..=MAX_SEEN as u64 {
            counters.remember(Use { counter, ciphertext: 0 });
        }
        assert_eq!((counters.seen.len(), counters.order.len()), (MAX_SEEN, MAX_SEEN));
        assert_eq!(counters.judge(Use { counter: 0, ciphertext: 0 }), Verdict::New);
    }
}
