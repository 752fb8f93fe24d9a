//! What happens to a message, step by step, from the recipient's conduct: a pure function.

use std::time::Duration;

use waypost_domain::{Content, EndReason, FailureCode, ReceiptKind, Timestamp};

use super::{SandboxDelays, mailbox::Reply, numbers::Conduct};

/// How much longer than usual the slow recipient takes.
const SLOWNESS: u32 = 20;

/// How long the pretend restriction lasts: the gateway refuses to connect before it is over.
const RESTRICTION: Duration = Duration::from_secs(10);

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// The server acknowledges.
    Ack,
    /// The server refuses.
    Refuse { error: u16, code: FailureCode },
    /// A receipt comes.
    Receipt(ReceiptKind),
    /// The recipient answers with this.
    Reply(Reply),
    /// The connection breaks.
    LoseConnection,
    /// The broken connection is made again.
    Reconnect,
    /// The connection ends for good.
    End(EndReason),
}

impl Step {
    /// Whether the network keeps it for a session that is away. The rest belongs to a connection and dies with it.
    pub(super) const fn is_owed(&self) -> bool {
        matches!(self, Self::Receipt(_) | Self::Reply(_))
    }
}

/// A step and when it happens, counted from the send.
pub(super) type Timed = (Duration, Step);

/// What happens to a message, in the order in which it happens. `reply` is the answer that is still to come, where it
/// is read; `seen_before` says that the message is a repeat.
pub(super) fn script(
    conduct: Conduct,
    reply: Option<Reply>,
    seen_before: bool,
    delays: &SandboxDelays,
    now: Timestamp,
) -> Vec<Timed> {
    let ack = (delays.ack, Step::Ack);
    let delivered = (delays.delivered, Step::Receipt(ReceiptKind::Delivered));
    let read = (delays.read, Step::Receipt(ReceiptKind::Read));
    let then_end = |reason| (delays.delivered, Step::End(reason));
    let mut steps = match conduct {
        Conduct::NotOnWhatsapp | Conduct::NeverAcknowledged => vec![],
        Conduct::FirstAckLost if !seen_before => vec![],
        Conduct::Refused { error, code } => vec![(delays.ack, Step::Refuse { error, code })],
        Conduct::NeverDelivered | Conduct::OtherForm { .. } => vec![ack],
        Conduct::NeverRead => vec![ack, delivered],
        Conduct::Doubled => vec![ack.clone(), ack, delivered.clone(), delivered, read.clone(), read],
        Conduct::OutOfOrder => vec![(delays.ack, read.1), (delays.delivered, delivered.1), (delays.read, ack.1)],
        Conduct::ConnectionLost if !seen_before => {
            vec![(delays.ack, Step::LoseConnection), (delays.ack + delays.reconnect, Step::Reconnect)]
        }
        Conduct::Unlinked => {
            vec![ack, then_end(EndReason::LoggedOut { reason: "unlinked on the pretend phone".to_owned() })]
        }
        Conduct::Restricted => vec![
            ack,
            then_end(EndReason::Restricted {
                reason: "a pretend restriction".to_owned(),
                until: Some(now.plus(RESTRICTION)),
            }),
        ],
        Conduct::Replaced => vec![ack, then_end(EndReason::Replaced)],
        Conduct::Outdated => vec![ack, then_end(EndReason::ClientOutdated)],
        Conduct::Usual
        | Conduct::LookupLimited
        | Conduct::Slow
        | Conduct::Echo
        | Conduct::FirstAckLost
        | Conduct::ConnectionLost => {
            vec![ack, delivered, read]
        }
    };
    let is_read = steps.iter().any(|(_, step)| *step == Step::Receipt(ReceiptKind::Read));
    if let Some(reply) = reply.filter(|_| is_read) {
        steps.push((delays.reply.max(delays.read), Step::Reply(reply)));
    }
    if conduct == Conduct::Slow {
        for (delay, _) in &mut steps {
            *delay *= SLOWNESS;
        }
    }
    steps
}

/// What of a script is left for the process after the one that took the message. The acknowledgement is told again: the
/// gateway may not have it, and what is due at once would overtake the one that it gets for a repeat. It comes with the
/// first receipt and not before, so that however many come at once never more acknowledgements than receipts wait.
pub(super) fn what_is_left(mut steps: Vec<Timed>) -> Vec<Timed> {
    steps.retain(|(_, step)| step.is_owed() || *step == Step::Ack);
    let first_owed = steps.iter().find(|(_, step)| step.is_owed()).map(|(delay, _)| *delay).unwrap_or_default();
    for (delay, _) in &mut steps {
        *delay = first_owed.max(*delay);
    }
    steps
}

/// What the recipient answers to a message, if anything.
pub(super) fn answer(conduct: Conduct, content: &Content) -> Option<Content> {
    let Content::Text { text } = content else { return None };
    if conduct == Conduct::Echo {
        return Some(content.clone());
    }
    let answer = text.strip_prefix("reply:")?.trim();
    (!answer.is_empty()).then(|| Content::Text { text: answer.to_owned() })
}

/// Whether nothing comes of the message before it is repeated.
pub(super) const fn waits_for_repeat(conduct: Conduct) -> bool {
    matches!(conduct, Conduct::FirstAckLost | Conduct::ConnectionLost)
}
