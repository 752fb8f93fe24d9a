//! What may go wrong, and the conditions under which it does.

use super::Subject;
use serde::{Deserialize, Serialize};

/// Ceiling for how often something is repeated.
const MAX_REPEATS: u32 = 100;
/// Ceiling for delays, in milliseconds: a day.
const MAX_DELAY: u64 = 86_400_000;
/// Ceiling for receipts held back to be shuffled.
const MAX_HELD: usize = 100_000;

/// The address a receipt is made to come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ReceiptForm {
    /// The phone number.
    Pn,
    /// The LID.
    Lid,
    /// A companion device: the first the account has, or `:1` when it has none.
    Companion,
}

/// What is delivered again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Copied {
    /// A device's copy of a message.
    Message,
    /// A device's copy of a receipt.
    Receipt,
}

/// What goes wrong. Where there is a `receipt` type, it narrows the rule to receipts of it; `delivery` means
/// those without one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Fault {
    /// The message is relayed, its ack is not sent.
    WithholdAck,
    /// The message is refused with this error and not relayed.
    Nack {
        /// The `error` attribute of the ack: 400, 404, 463, 475, 479, 503 …
        code: u16,
    },
    /// The message is relayed at once, its ack is sent later, if the connection still stands.
    DelayAck {
        /// Milliseconds.
        ms: u64,
    },
    /// The ack is sent more than once.
    RepeatAck {
        /// Further acks after the first.
        count: u32,
    },
    /// The ack is sent after the first receipt of the recipient, never without one.
    EarlyReceipt,
    /// The receipt is acked to its sender and not forwarded.
    DropReceipt {
        /// See [`Fault`].
        #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
        receipt: Option<String>,
    },
    /// The receipt is forwarded later.
    DelayReceipt {
        /// Milliseconds.
        ms: u64,
        /// See [`Fault`].
        #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
        receipt: Option<String>,
    },
    /// The receipt is forwarded more than once.
    RepeatReceipt {
        /// Further copies after the first.
        count: u32,
        /// See [`Fault`].
        #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
        receipt: Option<String>,
    },
    /// The receipt comes from another address of the same account.
    ReceiptForm {
        /// Which one.
        #[serde(rename = "as")]
        form: ReceiptForm,
        /// See [`Fault`].
        #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
        receipt: Option<String>,
    },
    /// Receipts are collected and forwarded in random order. What is left goes out when the rule is worn off or
    /// cleared.
    ShuffleReceipts {
        /// How many are collected.
        hold: usize,
        /// Makes the order the same in every run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seed: Option<u64>,
        /// See [`Fault`].
        #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
        receipt: Option<String>,
    },
    /// A device's copy is delivered to it again each time it has settled it.
    Redeliver {
        /// How often again.
        count: u32,
        /// Only messages, or only receipts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        only: Option<Copied>,
        /// Only this device of the receiving account; 0 is the phone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<u16>,
    },
    /// One byte of the ciphertext is wrong in a copy, so that its device cannot read it and asks again. Copies for
    /// the sender's own devices are spared, unless `to` names the account.
    Corrupt {
        /// Only this device of the receiving account; 0 is the phone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<u16>,
    },
    /// A question who is on WhatsApp is answered with an error.
    LookupError {
        /// 429 is `rate-overlimit`.
        code: u16,
        /// Seconds the client is told to stay away.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        backoff: Option<u32>,
    },
}

impl Fault {
    /// The type of receipt it is narrowed to.
    pub(super) fn receipt_type(&self) -> Option<&str> {
        match self {
            Self::DropReceipt { receipt }
            | Self::DelayReceipt { receipt, .. }
            | Self::RepeatReceipt { receipt, .. }
            | Self::ReceiptForm { receipt, .. }
            | Self::ShuffleReceipts { receipt, .. } => receipt.as_deref(),
            _ => None,
        }
    }
}

/// A fault and when it strikes. Absent conditions match everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FaultRule {
    /// What goes wrong.
    #[serde(flatten)]
    pub fault: Fault,
    /// Number of the account that sends the message or receipt, or asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Number of the account it is for, or that is asked about; a group's id for messages to a group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Number of either side, or a group's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat: Option<String>,
    /// Id of the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// How many matches are let pass before the rule strikes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u32>,
    /// How often the rule strikes before it is gone; for ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}

impl FaultRule {
    /// A rule that always strikes.
    pub fn new(fault: Fault) -> Self {
        Self { fault, from: None, to: None, chat: None, id: None, after: None, times: None }
    }

    /// Only what this account sends.
    #[must_use]
    pub fn from(mut self, pn: &str) -> Self {
        self.from = Some(pn.to_owned());
        self
    }

    /// Only what is for this account.
    #[must_use]
    pub fn to(mut self, pn: &str) -> Self {
        self.to = Some(pn.to_owned());
        self
    }

    /// Only what is said between this account or group and anybody.
    #[must_use]
    pub fn chat(mut self, chat: &str) -> Self {
        self.chat = Some(chat.to_owned());
        self
    }

    /// Only this message, and receipts for it.
    #[must_use]
    pub fn id(mut self, id: &str) -> Self {
        self.id = Some(id.to_owned());
        self
    }

    /// Not the first `matches`.
    #[must_use]
    pub fn after(mut self, matches: u32) -> Self {
        self.after = Some(matches);
        self
    }

    /// No more than so often.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// What is wrong with the rule, in words.
    pub(crate) fn check(&self) -> Result<(), String> {
        let (repeats, ms, held) = match &self.fault {
            Fault::RepeatAck { count } | Fault::RepeatReceipt { count, .. } | Fault::Redeliver { count, .. } => {
                (*count, 0, 1)
            }
            Fault::DelayAck { ms } | Fault::DelayReceipt { ms, .. } => (0, *ms, 1),
            Fault::ShuffleReceipts { hold, .. } => (0, 0, *hold),
            _ => (0, 0, 1),
        };
        if repeats > MAX_REPEATS {
            return Err(format!("count is at most {MAX_REPEATS}"));
        }
        if ms > MAX_DELAY {
            return Err(format!("ms is at most {MAX_DELAY}"));
        }
        if held == 0 || held > MAX_HELD {
            return Err(format!("hold is 1 to {MAX_HELD}"));
        }
        if self.times == Some(0) {
            return Err("times is at least 1".into());
        }
        Ok(())
    }

    /// Whether the conditions hold, uses left aside.
    pub(super) fn covers(&self, subject: Subject<'_>) -> bool {
        let matches = |want: &Option<String>, is: &str| want.as_deref().is_none_or(|want| want == is);
        matches(&self.from, subject.from)
            && matches(&self.to, subject.to)
            && matches(&self.id, subject.id)
            && self.chat.as_deref().is_none_or(|chat| [subject.from, subject.to, subject.chat].contains(&chat))
    }

    /// Whether this match is one of those let pass.
    pub(super) fn skip(&mut self) -> bool {
        match &mut self.after {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }

    /// Notes a use; true when it was the last.
    pub(super) fn wear(&mut self) -> bool {
        match &mut self.times {
            Some(times) => {
                *times = times.saturating_sub(1);
                *times == 0
            }
            None => false,
        }
    }
}
