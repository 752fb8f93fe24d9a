//! Which numbers have an account at a network.

use crate::{Jid, PhoneNumber, Timestamp};

/// What a network says of a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberFound {
    /// The number that was asked for.
    pub number: PhoneNumber,
    /// Its account, where it has one.
    pub account: Option<FoundAccount>,
}

/// The account behind a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundAccount {
    /// The address that the network gave, which may be another number than the one that was asked for.
    pub jid: Jid,
    /// Its LID, where the network said it.
    pub lid: Option<Jid>,
}

/// What a network said of a number, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberCheck {
    /// What it said.
    pub found: NumberFound,
    /// When it was asked.
    pub checked_at: Timestamp,
}
