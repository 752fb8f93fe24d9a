//! The recipients that behave in a way of their own, by their numbers.

use waypost_domain::{FailureCode, FoundAccount, Jid, JidServer, PhoneNumber, SessionId};

use crate::LinkError;

/// What all magic numbers start with.
const MAGIC_PREFIX: &str = "1555010";

/// A recipient that behaves in a way of its own. Public, so that the documentation can be checked against it.
#[derive(Debug, Clone, Copy)]
pub struct MagicNumber {
    /// The number, in digits.
    pub number: &'static str,
    /// What it does, in a few words.
    pub meaning: &'static str,
    pub(super) conduct: Conduct,
}

/// What a recipient does with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Conduct {
    /// Acknowledged, delivered, read.
    Usual,
    /// The server refuses with this ack error.
    Refused { error: u16, code: FailureCode },
    /// No acknowledgement ever comes.
    NeverAcknowledged,
    /// The first acknowledgement is lost; the one for the repeat arrives.
    FirstAckLost,
    /// Acknowledged, and nothing more.
    NeverDelivered,
    /// Delivered, and nothing more.
    NeverRead,
    /// The number has no account.
    NotOnWhatsapp,
    /// As usual, but everything takes twenty times as long.
    Slow,
    /// As usual, but the acknowledgement and every receipt come twice.
    Doubled,
    /// Read before delivered before acknowledged.
    OutOfOrder,
    /// Answers with the same text.
    Echo,
    /// The connection breaks before the acknowledgement and comes back; the repeat goes as usual.
    ConnectionLost,
    /// Looked up, its account has this number; sent to without a look-up, acknowledged and nothing more.
    OtherForm { registered: &'static str },
    /// As usual, but a look-up is answered with "too many".
    LookupLimited,
    /// Acknowledged; then the owner unlinks the device on the phone.
    Unlinked,
    /// Acknowledged; then the account is restricted for ten seconds.
    Restricted,
    /// Acknowledged; then another client takes the connection over.
    Replaced,
    /// Acknowledged; then the network refuses this client's version.
    Outdated,
}

/// Every magic number.
pub const MAGIC_NUMBERS: &[MagicNumber] = &[
    refused("15550100400", "refused: ack error 400", 400, FailureCode::RejectedAsMalformed),
    refused("15550100404", "refused: ack error 404", 404, FailureCode::RecipientUnknown),
    refused("15550100463", "refused: ack error 463", 463, FailureCode::ReachOutLimited),
    refused("15550100475", "refused: ack error 475", 475, FailureCode::NewChatLimited),
    refused("15550100479", "refused: ack error 479", 479, FailureCode::RejectedAsMalformed),
    refused("15550100503", "refused: ack error 503", 503, FailureCode::RejectedByWhatsapp),
    magic("15550101001", "never acknowledged", Conduct::NeverAcknowledged),
    magic("15550101002", "the first acknowledgement is lost", Conduct::FirstAckLost),
    magic("15550101003", "never delivered", Conduct::NeverDelivered),
    magic("15550101004", "delivered, never read", Conduct::NeverRead),
    magic("15550101005", "not on WhatsApp", Conduct::NotOnWhatsapp),
    magic("15550101006", "slow", Conduct::Slow),
    magic("15550101007", "acknowledgement and receipts come twice", Conduct::Doubled),
    magic("15550101008", "receipts come before the acknowledgement", Conduct::OutOfOrder),
    magic("15550101009", "answers with the same text", Conduct::Echo),
    magic("15550101010", "its account is known under 15550101011", Conduct::OtherForm { registered: "15550101011" }),
    magic("15550101012", "looking it up is limited", Conduct::LookupLimited),
    magic("15550102001", "the connection is lost and comes back", Conduct::ConnectionLost),
    magic("15550102002", "the device is unlinked", Conduct::Unlinked),
    magic("15550102003", "the account is restricted", Conduct::Restricted),
    magic("15550102004", "the connection is replaced", Conduct::Replaced),
    magic("15550102005", "the client is outdated", Conduct::Outdated),
];

const fn magic(number: &'static str, meaning: &'static str, conduct: Conduct) -> MagicNumber {
    MagicNumber { number, meaning, conduct }
}

const fn refused(number: &'static str, meaning: &'static str, error: u16, code: FailureCode) -> MagicNumber {
    magic(number, meaning, Conduct::Refused { error, code })
}

/// What `recipient` does with a message.
pub(super) fn conduct_of(recipient: &Jid) -> Conduct {
    if recipient.server() != JidServer::PhoneNumber || !recipient.user().starts_with(MAGIC_PREFIX) {
        return Conduct::Usual;
    }
    MAGIC_NUMBERS.iter().find(|magic| magic.number == recipient.user()).map_or(Conduct::Usual, |magic| magic.conduct)
}

/// The most seconds that the pretend network asks to wait before the next look-up.
const LOOKUP_PAUSE_SECS: u32 = 30;

/// What a look-up of `number` gives.
pub(super) fn account_of(number: &PhoneNumber) -> Result<Option<FoundAccount>, LinkError> {
    let jid = match conduct_of(&number.to_jid()) {
        Conduct::NotOnWhatsapp => return Ok(None),
        Conduct::LookupLimited => return Err(LinkError::RateLimited { retry_after_secs: LOOKUP_PAUSE_SECS }),
        Conduct::OtherForm { registered } => {
            registered.parse::<PhoneNumber>().expect("the table holds numbers").to_jid()
        }
        _ => number.to_jid(),
    };
    Ok(Some(FoundAccount { jid, lid: None }))
}

/// The number of a session's own pretend phone: always the same for a session, from +1 555 020 0000 to
/// +1 555 099 9999.
pub(super) fn own_number(session: SessionId) -> PhoneNumber {
    // The last 64 bits of a UUID of version 7 are random but for two.
    let drawn = session.as_uuid().as_u64_pair().1 % 800_000;
    format!("15550{}", 200_000 + drawn).parse().expect("eleven digits that do not start with 0 are a phone number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_magic_number_is_a_phone_number_that_cannot_exist_and_stands_once() {
        for magic in MAGIC_NUMBERS {
            let number: PhoneNumber = magic.number.parse().unwrap();
            assert!(number.as_str().starts_with(MAGIC_PREFIX), "{number}");
            assert_eq!(conduct_of(&number.to_jid()), magic.conduct, "{number}");
            assert_ne!(magic.conduct, Conduct::Usual);
        }
    }

    #[test]
    fn a_look_up_finds_everyone_but_those_whose_number_says_otherwise() {
        let found = |digits: &str| account_of(&digits.parse().unwrap());
        let account = |digits: &str| {
            Ok(Some(FoundAccount { jid: format!("{digits}@s.whatsapp.net").parse().unwrap(), lid: None }))
        };
        assert_eq!(found("919876543210"), account("919876543210"));
        assert_eq!(found("15550101005"), Ok(None));
        assert_eq!(found("15550101010"), account("15550101011"));
        assert_eq!(found("15550101012"), Err(LinkError::RateLimited { retry_after_secs: LOOKUP_PAUSE_SECS }));
    }

    #[test]
    fn every_magic_number_is_documented() {
        let page = include_str!("../../../../docs/sandbox.md");
        for magic in MAGIC_NUMBERS {
            assert!(page.contains(&format!("`{}`", magic.number)), "{} is not in docs/sandbox.md", magic.number);
        }
    }

    #[test]
    fn a_lid_with_the_digits_of_a_magic_number_behaves_as_usual() {
        assert_eq!(conduct_of(&"15550100463@lid".parse().unwrap()), Conduct::Usual);
        assert_eq!(conduct_of(&"919876543210@s.whatsapp.net".parse().unwrap()), Conduct::Usual);
        assert_eq!(conduct_of(&"15550100000@s.whatsapp.net".parse().unwrap()), Conduct::Usual);
    }

    #[test]
    fn a_session_keeps_its_number_and_it_is_no_magic_one() {
        for seed in 0..1000_u128 {
            let session = SessionId::from(uuid::Uuid::from_u128(seed << 32 | seed));
            let number = own_number(session);
            assert_eq!(number, own_number(session));
            assert_eq!(number.as_str().len(), 11);
            assert!(number.as_str().starts_with("15550"));
            assert!(!number.as_str().starts_with(MAGIC_PREFIX));
        }
    }
}
