//! Acks that wait for the recipient's receipt (`earlyReceipt`).

use crate::account::lock;
use crate::outbox::Outbox;
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use wacore_binary::CompactString;

/// Acks that may wait; past this they are sent at once.
const MAX_WAITING: usize = 10_000;

/// The message an ack is for: number and device of its sender, and its id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct AckSlot {
    pub(crate) pn: CompactString,
    pub(crate) device: u16,
    pub(crate) id: CompactString,
}

/// An ack ready to be sent.
pub(crate) struct HeldAck {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) stanza: Bytes,
    /// How often it is sent.
    pub(crate) times: u32,
}

impl HeldAck {
    pub(crate) fn send(&self) {
        for _ in 0..self.times {
            self.outbox.push(self.stanza.clone());
        }
    }
}

enum Slot {
    /// The message is being relayed.
    Expected,
    /// The receipt was here before the ack.
    Receipted,
    Waiting(HeldAck),
}

/// See the module's head.
#[derive(Default)]
pub(crate) struct HeldAcks(Mutex<HashMap<AckSlot, Slot>>);

impl HeldAcks {
    /// A message is about to be relayed whose ack is to come after a receipt. False when too many wait.
    pub(crate) fn expect(&self, slot: &AckSlot) -> bool {
        let mut slots = lock(&self.0);
        let room = slots.len() < MAX_WAITING;
        if room {
            slots.insert(slot.clone(), Slot::Expected);
        }
        room
    }

    /// The message was relayed: its ack waits, unless the receipt was faster.
    pub(crate) fn put(&self, slot: &AckSlot, ack: HeldAck) {
        let mut slots = lock(&self.0);
        match slots.get_mut(slot) {
            Some(state @ (Slot::Expected | Slot::Waiting(_))) => *state = Slot::Waiting(ack),
            Some(Slot::Receipted) | None => {
                slots.remove(slot);
                ack.send();
            }
        }
    }

    /// A receipt was forwarded to the message's sender.
    pub(crate) fn receipted(&self, slot: &AckSlot) {
        let mut slots = lock(&self.0);
        match slots.remove(slot) {
            Some(Slot::Waiting(ack)) => ack.send(),
            Some(Slot::Expected | Slot::Receipted) => {
                slots.insert(slot.clone(), Slot::Receipted);
            }
            None => {}
        }
    }

    /// Sends everything that waits.
    pub(crate) fn release_all(&self) {
        for (_, slot) in lock(&self.0).drain() {
            if let Slot::Waiting(ack) = slot {
                ack.send();
            }
        }
    }
}
