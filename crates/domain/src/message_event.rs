//! What a network says about messages of ours.

use crate::{FailureCode, Jid, Timestamp, WaMessageId};

/// A network's answer to messages that were handed to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageEvent {
    /// The network's server acknowledged a message without an error.
    Acked {
        /// The message.
        wa_id: WaMessageId,
        /// When, by the network's clock where it says so.
        at: Timestamp,
    },
    /// The network's server refused a message.
    Refused {
        /// The message.
        wa_id: WaMessageId,
        /// The stable code.
        code: FailureCode,
        /// What the server said, such as `ack error 463`.
        reason: String,
        /// When.
        at: Timestamp,
    },
    /// A receipt for messages of ours.
    Receipt {
        /// The messages.
        wa_ids: Vec<WaMessageId>,
        /// The person whose device sent it: the recipient, or one member of a group. By number or by LID, as the
        /// network wrote it; `None` if it names no person.
        ///
        /// It is not stored yet. It is for groups, whose members receive and read a message one by one: today the
        /// first of them decides the message's status.
        participant: Option<Jid>,
        /// What it proves.
        kind: ReceiptKind,
        /// When, by the network's clock where it says so.
        at: Timestamp,
    },
}

/// What a receipt proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptKind {
    /// A device of the recipient has the message.
    Delivered,
    /// The recipient has seen it.
    Read,
    /// The recipient has played it.
    Played,
}
