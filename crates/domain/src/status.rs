//! The status machine of a message: [`Progress::advance`] is the one function that may move it.
//!
//! It guarantees (docs/guarantees.md 3) that a status only ever advances: acknowledgements and receipts may come
//! doubled, late, early, in any order and from any device, and the result is the highest state that the evidence
//! proves. `failed` and `canceled` are final, with one exception that truth demands: a message that failed because nobody
//! confirmed it, or because WhatsApp refused it, may have been taken when it was sent before under the same id. It is
//! shown as what an acknowledgement or a receipt proves, whether that comes before or after.

use serde::{Deserialize, Serialize};

/// How far a message has come. The order of the variants up to [`MessageStatus::Played`] is the order of progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageStatus {
    /// Waits for its `sendAt`.
    Scheduled,
    /// On disk, waits for its turn or for its session.
    Queued,
    /// Handed to the network, not acknowledged yet.
    Sending,
    /// WhatsApp's server acknowledged it without an error.
    Sent,
    /// A device of the recipient has it.
    Delivered,
    /// The recipient has seen it.
    Read,
    /// The recipient has played it (voice).
    Played,
    /// It was not sent and never will be; see the error.
    Failed,
    /// Its sender took it back before it left.
    Canceled,
    /// An inbound message. It has no further states.
    Received,
    /// Another version of Waypost wrote a status that this one does not know. Nothing moves such a message, and this is
    /// never written.
    #[serde(other)]
    Unknown,
}

impl MessageStatus {
    /// Every status that this version knows, in the order of the variants.
    pub const ALL: [Self; 10] = [
        Self::Scheduled,
        Self::Queued,
        Self::Sending,
        Self::Sent,
        Self::Delivered,
        Self::Read,
        Self::Played,
        Self::Failed,
        Self::Canceled,
        Self::Received,
    ];

    /// The name in the API and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Played => "played",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Received => "received",
            Self::Unknown => "unknown",
        }
    }

    /// The status with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }

    /// Whether an acknowledgement or a receipt is what proves this status.
    const fn is_proved_by_the_network(self) -> bool {
        matches!(self, Self::Sent | Self::Delivered | Self::Read | Self::Played)
    }

    /// Whether the message has not left yet.
    pub const fn is_waiting(self) -> bool {
        matches!(self, Self::Scheduled | Self::Queued)
    }
}

impl std::fmt::Display for MessageStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a message failed: a stable code, part of the public contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FailureCode {
    /// No acknowledgement came, though the message was sent again under the same id.
    NoAck,
    /// WhatsApp refused: no trusted-contact token, or the account may not reach out to strangers (ack error 463).
    ReachOutLimited,
    /// WhatsApp refused: too many new chats (ack error 475).
    NewChatLimited,
    /// WhatsApp refused the form of the message (ack errors 400 and 479).
    RejectedAsMalformed,
    /// WhatsApp knows no such recipient (ack error 404).
    RecipientUnknown,
    /// The number has no WhatsApp account.
    NotOnWhatsapp,
    /// WhatsApp refused with an error that has no name here; the reason carries its number.
    RejectedByWhatsapp,
    /// The session was logged out or deleted before the message could leave.
    SessionGone,
    /// The message could not be read, built or encrypted. What is read back for another sending may have left before.
    Unsendable,
    /// It was not sent before its `expiresAt`.
    Expired,
    /// Another version of Waypost wrote a code that this one does not know. Never written.
    #[serde(other)]
    Unknown,
}

impl FailureCode {
    /// Every code that this version knows.
    pub const ALL: [Self; 10] = [
        Self::NoAck,
        Self::ReachOutLimited,
        Self::NewChatLimited,
        Self::RejectedAsMalformed,
        Self::RecipientUnknown,
        Self::NotOnWhatsapp,
        Self::RejectedByWhatsapp,
        Self::SessionGone,
        Self::Unsendable,
        Self::Expired,
    ];

    /// The name in the API and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoAck => "NO_ACK",
            Self::ReachOutLimited => "REACH_OUT_LIMITED",
            Self::NewChatLimited => "NEW_CHAT_LIMITED",
            Self::RejectedAsMalformed => "REJECTED_AS_MALFORMED",
            Self::RecipientUnknown => "RECIPIENT_UNKNOWN",
            Self::NotOnWhatsapp => "NOT_ON_WHATSAPP",
            Self::RejectedByWhatsapp => "REJECTED_BY_WHATSAPP",
            Self::SessionGone => "SESSION_GONE",
            Self::Unsendable => "UNSENDABLE",
            Self::Expired => "EXPIRED",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// The code with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == name)
    }

    /// Whether the message may have reached its recipient all the same: nobody answered, or what was refused or could
    /// not be sent was a repeat.
    const fn may_have_left(self) -> bool {
        match self {
            Self::NoAck
            | Self::ReachOutLimited
            | Self::NewChatLimited
            | Self::RejectedAsMalformed
            | Self::RecipientUnknown
            | Self::RejectedByWhatsapp
            | Self::Unsendable
            | Self::Unknown => true,
            Self::NotOnWhatsapp | Self::SessionGone | Self::Expired => false,
        }
    }

    /// A sentence for the caller: what happened and what to do.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::NoAck => {
                "WhatsApp did not acknowledge the message, though it was sent again under the same id. Check the session, then send a new message"
            }
            Self::ReachOutLimited => {
                "WhatsApp does not let this account write to this recipient first. Wait for the recipient to write, or for the limit to end"
            }
            Self::NewChatLimited => {
                "WhatsApp limits how many new chats this account may open. Wait a day before writing to new recipients"
            }
            Self::RejectedAsMalformed => {
                "WhatsApp refused the message as malformed. Check its content; if it looks right, report it as a bug"
            }
            Self::RecipientUnknown => "WhatsApp knows no such recipient. Check the number or the JID",
            Self::NotOnWhatsapp => "The number has no WhatsApp account. Check the number",
            Self::RejectedByWhatsapp => "WhatsApp refused the message. The timeline names the error number",
            Self::SessionGone => {
                "The session was logged out or deleted before the message could leave. Link a session and send it again"
            }
            Self::Unsendable => {
                "This version of Waypost could not build the message, or encrypt it for this recipient. Try again later; if it stays so, report it as a bug"
            }
            Self::Expired => {
                "The message was not sent before its expiry. Check that the session is connected and send it again"
            }
            Self::Unknown => {
                "Another version of Waypost wrote why the message failed, and this one cannot read it. Update Waypost to see it"
            }
        }
    }
}

/// A failure as it is stored and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The stable code.
    pub code: FailureCode,
    /// What the network or the engine said, for the timeline; no addresses, no texts.
    pub reason: Option<String>,
}

impl Failure {
    /// A failure that the code says all about.
    pub const fn new(code: FailureCode) -> Self {
        Self { code, reason: None }
    }
}

/// What happened to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusChange {
    /// It moved to this status. Never [`MessageStatus::Failed`]: that carries its failure.
    To(MessageStatus),
    /// It failed.
    Failed(Failure),
}

impl StatusChange {
    /// The status that the change asks for.
    pub const fn target(&self) -> MessageStatus {
        match self {
            Self::To(status) => *status,
            Self::Failed(_) => MessageStatus::Failed,
        }
    }
}

/// Where a message stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Its status.
    pub status: MessageStatus,
    /// Why it failed, while the status is `failed`.
    pub failure: Option<Failure>,
}

impl Progress {
    /// A message at `status` that has not failed.
    pub const fn at(status: MessageStatus) -> Self {
        Self { status, failure: None }
    }

    /// Where `change` takes the message, or `None` where it changes nothing.
    pub fn advance(&self, change: &StatusChange) -> Option<Self> {
        use MessageStatus::{Canceled, Failed, Queued, Received, Scheduled, Sending, Unknown};

        let to = change.target();
        let allowed = match (self.status, to) {
            (Received | Canceled | Unknown, _) | (_, Received | Scheduled | Unknown) => false,
            (Failed, to) => {
                let may_have_left = self.failure.as_ref().is_some_and(|failure| failure.code.may_have_left());
                may_have_left && to.is_proved_by_the_network()
            }
            (from, Canceled) => from.is_waiting(),
            (from, Failed) => matches!(from, Scheduled | Queued | Sending),
            // A session that went away takes back what it never sent.
            (Sending, Queued) => true,
            (from, to) => from < to,
        };
        allowed.then(|| Self {
            status: to,
            failure: match change {
                StatusChange::To(_) => None,
                StatusChange::Failed(failure) => Some(failure.clone()),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn evidence() -> impl Strategy<Value = MessageStatus> {
        prop::sample::select(vec![
            MessageStatus::Sent,
            MessageStatus::Delivered,
            MessageStatus::Read,
            MessageStatus::Played,
        ])
    }

    fn any_change() -> impl Strategy<Value = StatusChange> {
        prop_oneof![
            prop::sample::select(MessageStatus::ALL.to_vec())
                .prop_filter("failures carry their reason", |s| *s != MessageStatus::Failed)
                .prop_map(StatusChange::To),
            prop::sample::select(FailureCode::ALL.to_vec()).prop_map(|code| StatusChange::Failed(Failure::new(code))),
        ]
    }

    /// WhatsApp's refusal, or its silence.
    fn refusal() -> impl Strategy<Value = StatusChange> {
        let codes: Vec<_> = FailureCode::ALL.into_iter().filter(|code| code.may_have_left()).collect();
        prop::sample::select(codes).prop_map(|code| StatusChange::Failed(Failure::new(code)))
    }

    fn apply(start: Progress, changes: &[StatusChange]) -> Progress {
        changes.iter().fold(start, |progress, change| progress.advance(change).unwrap_or(progress))
    }

    proptest! {
        #[test]
        fn receipts_in_any_order_and_number_give_the_highest_state(seen in prop::collection::vec(evidence(), 1..12)) {
            let changes: Vec<_> = seen.iter().map(|s| StatusChange::To(*s)).collect();
            let end = apply(Progress::at(MessageStatus::Sending), &changes);
            prop_assert_eq!(Some(end.status), seen.iter().max().copied());
        }

        #[test]
        fn acknowledgements_receipts_and_refusals_give_the_highest_in_any_order_and_number(
            seen in prop::collection::vec(prop_oneof![evidence().prop_map(StatusChange::To), refusal()], 1..8),
            picks in prop::collection::vec(any::<prop::sample::Index>(), 0..24),
        ) {
            // Some of it repeatedly and in any order, then all of it: each piece comes at least once.
            let mut told: Vec<StatusChange> = picks.iter().map(|pick| pick.get(&seen).clone()).collect();
            told.extend(seen.iter().cloned());
            let end = apply(Progress::at(MessageStatus::Sending), &told);
            let highest = seen.iter().map(StatusChange::target).filter(|status| *status != MessageStatus::Failed).max();
            prop_assert_eq!(end.status, highest.unwrap_or(MessageStatus::Failed));
            prop_assert_eq!(end.failure.is_some(), highest.is_none());
        }

        #[test]
        fn what_the_network_proved_is_never_taken_back(
            proved in evidence(),
            changes in prop::collection::vec(any_change(), 0..12),
        ) {
            let end = apply(Progress::at(proved), &changes);
            prop_assert!(end.status >= proved && end.status <= MessageStatus::Played);
        }

        #[test]
        fn a_canceled_message_stays_canceled(changes in prop::collection::vec(any_change(), 0..12)) {
            let end = apply(Progress::at(MessageStatus::Canceled), &changes);
            prop_assert_eq!(end.status, MessageStatus::Canceled);
        }

        #[test]
        fn a_message_that_never_left_stays_failed(
            code in prop::sample::select(FailureCode::ALL.to_vec()),
            changes in prop::collection::vec(any_change(), 0..12),
        ) {
            prop_assume!(!code.may_have_left());
            let start = Progress { status: MessageStatus::Failed, failure: Some(Failure::new(code)) };
            prop_assert_eq!(apply(start.clone(), &changes), start);
        }
    }

    #[test]
    fn a_late_receipt_proves_an_unconfirmed_message_wrong() {
        let failed = Progress { status: MessageStatus::Failed, failure: Some(Failure::new(FailureCode::NoAck)) };
        assert_eq!(
            failed.advance(&StatusChange::To(MessageStatus::Delivered)),
            Some(Progress::at(MessageStatus::Delivered))
        );
        assert_eq!(failed.advance(&StatusChange::To(MessageStatus::Queued)), None);
        assert_eq!(failed.advance(&StatusChange::To(MessageStatus::Sending)), None);
    }

    #[test]
    fn a_message_can_be_canceled_only_before_it_leaves() {
        let canceled = StatusChange::To(MessageStatus::Canceled);
        assert!(Progress::at(MessageStatus::Queued).advance(&canceled).is_some());
        assert!(Progress::at(MessageStatus::Sending).advance(&canceled).is_none());
    }

    #[test]
    fn a_status_that_this_version_does_not_know_neither_moves_nor_is_moved_to() {
        for status in MessageStatus::ALL {
            assert_eq!(Progress::at(MessageStatus::Unknown).advance(&StatusChange::To(status)), None);
            assert_eq!(Progress::at(status).advance(&StatusChange::To(MessageStatus::Unknown)), None);
        }
    }

    #[test]
    fn names_of_another_version_are_read_as_unknown() {
        let step: crate::TimelineEntry =
            serde_json::from_str(r#"{"status":"prepared","at":"2026-01-01T00:00:00Z"}"#).unwrap();
        assert_eq!(step.status, MessageStatus::Unknown);
        let failure: Failure = serde_json::from_str(r#"{"code":"TOO_LARGE","reason":"17 MB"}"#).unwrap();
        assert_eq!(failure, Failure { code: FailureCode::Unknown, reason: Some("17 MB".to_owned()) });
    }

    #[test]
    fn names_read_back() {
        for status in MessageStatus::ALL {
            assert_eq!(MessageStatus::parse(status.as_str()), Some(status));
        }
        for code in FailureCode::ALL {
            assert_eq!(FailureCode::parse(code.as_str()), Some(code));
        }
    }
}
