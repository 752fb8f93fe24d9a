//! What happens to a message, step by step, from the recipient's conduct: a pure function.

use std::time::Duration;

use waypost_domain::{Content, FailureCode, Timestamp};

use super::{SandboxDelays, numbers::Conduct};
use crate::{EndReason, ReceiptKind};

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
    Reply(Content),
    /// The connection breaks.
    LoseConnection,
    /// The broken connection is made again.
    Reconnect,
    /// The connection ends for good.
    End(EndReason),
}

/// A step and when it happens, counted from the send.
pub(super) type Timed = (Duration, Step);

/// What happens to a message of `content`, in the order in which it happens. `seen_before` says that the message
/// is a repeat.
pub(super) fn script(
    conduct: Conduct,
    content: &Content,
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
    if let Some(reply) = reply(conduct, content).filter(|_| is_read && !seen_before) {
        steps.push((delays.reply.max(delays.read), Step::Reply(reply)));
    }
    if conduct == Conduct::Slow {
        for (delay, _) in &mut steps {
            *delay *= SLOWNESS;
        }
    }
    steps
}

/// What the recipient answers to a message, if anything.
fn reply(conduct: Conduct, content: &Content) -> Option<Content> {
    let Content::Text { text } = content else { return None };
    if conduct == Conduct::Echo {
        return Some(content.clone());
    }
    let answer = text.strip_prefix("reply:")?.trim();
    (!answer.is_empty()).then(|| Content::Text { text: answer.to_owned() })
}

/// Whether it matters to the script that the message was seen before: only then is its id remembered.
pub(super) fn minds_repeats(conduct: Conduct, content: &Content) -> bool {
    matches!(conduct, Conduct::FirstAckLost | Conduct::ConnectionLost) || reply(conduct, content).is_some()
}
