//! Who a message goes to: phone numbers, JIDs, and the forms in which callers write them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// An international phone number: its digits alone, country code first, without `+`.
///
/// The rule is E.164's shape: 7 to 15 digits, not starting with 0. Whether a number exists is WhatsApp's to say
/// (`checkNumber`), and it is never rewritten blindly.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PhoneNumber(String);

impl PhoneNumber {
    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address of the account that has this number.
    pub fn to_jid(&self) -> Jid {
        Jid { user: self.0.clone(), server: JidServer::PhoneNumber }
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PhoneNumber {
    type Err = AddressError;

    /// Accepts digits with a leading `+` and with spaces, dashes, dots and brackets between them.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        let text = text.strip_prefix('+').unwrap_or(text);
        let mut digits = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '0'..='9' => digits.push(c),
                ' ' | '-' | '.' | '(' | ')' => {}
                _ => return Err(AddressError::NotANumber),
            }
        }
        if !(7..=15).contains(&digits.len()) {
            return Err(AddressError::Length(digits.len()));
        }
        if digits.starts_with('0') {
            return Err(AddressError::LeadingZero);
        }
        Ok(Self(digits))
    }
}

/// The namespaces that a message can be addressed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JidServer {
    /// `…@s.whatsapp.net`: an account by its phone number.
    PhoneNumber,
    /// `…@lid`: an account by its linked identity, which hides the number.
    Lid,
    /// `…@g.us`: a group.
    Group,
}

impl JidServer {
    /// The part after the `@`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PhoneNumber => "s.whatsapp.net",
            Self::Lid => "lid",
            Self::Group => "g.us",
        }
    }
}

/// A WhatsApp address: an account or a group, never a single device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Jid {
    user: String,
    server: JidServer,
}

impl Jid {
    /// The part before the `@`: digits, or a group's id.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The namespace.
    pub const fn server(&self) -> JidServer {
        self.server
    }

    /// The phone number, where the address is one.
    pub fn phone_number(&self) -> Option<PhoneNumber> {
        (self.server == JidServer::PhoneNumber).then(|| PhoneNumber(self.user.clone()))
    }
}

impl fmt::Display for Jid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.user, self.server.as_str())
    }
}

impl FromStr for Jid {
    type Err = AddressError;

    /// Accepts an account's or a group's address. A device part (`…:5@…`) is dropped: messages go to people.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (user, server) = text.trim().split_once('@').ok_or(AddressError::NotAJid)?;
        let server = match server {
            "s.whatsapp.net" | "c.us" => JidServer::PhoneNumber,
            "lid" => JidServer::Lid,
            "g.us" => JidServer::Group,
            _ => return Err(AddressError::UnknownServer),
        };
        if server == JidServer::Group {
            let valid = !user.is_empty() && user.len() <= 64 && user.bytes().all(|b| b.is_ascii_digit() || b == b'-');
            return if valid { Ok(Self { user: user.to_owned(), server }) } else { Err(AddressError::NotAJid) };
        }
        let user = user.split_once(':').map_or(user, |(user, _device)| user);
        match server {
            JidServer::PhoneNumber => {
                if !user.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(AddressError::NotAJid);
                }
                Ok(user.parse::<PhoneNumber>()?.to_jid())
            }
            _ if !user.is_empty() && user.len() <= 32 && user.bytes().all(|b| b.is_ascii_digit()) => {
                Ok(Self { user: user.to_owned(), server })
            }
            _ => Err(AddressError::NotAJid),
        }
    }
}

impl Serialize for Jid {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Jid {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What a caller wrote in `to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// A phone number in any of its tolerated spellings.
    Phone(PhoneNumber),
    /// A JID.
    Jid(Jid),
}

impl Recipient {
    /// What `data.to` echoes: the digits of a number, the JID as it stands.
    pub fn echo(&self) -> String {
        match self {
            Self::Phone(number) => number.to_string(),
            Self::Jid(jid) => jid.to_string(),
        }
    }

    /// The address to send to.
    pub fn to_jid(&self) -> Jid {
        match self {
            Self::Phone(number) => number.to_jid(),
            Self::Jid(jid) => jid.clone(),
        }
    }
}

impl FromStr for Recipient {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.contains('@') { text.parse().map(Self::Jid) } else { text.parse().map(Self::Phone) }
    }
}

/// Why a text is no address. The sentences are public: they stand in `errors.to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// A character that no phone number has.
    #[error("Must be an international phone number in digits, such as 919876543210, or a WhatsApp JID")]
    NotANumber,
    /// Too short or too long; carries the number of digits found.
    #[error("Must have 7 to 15 digits with the country code, but has {0}")]
    Length(usize),
    /// A national number, or one with an international prefix.
    #[error("Must start with the country code, not with 0")]
    LeadingZero,
    /// An `@`, but no JID.
    #[error("Must be a JID such as 919876543210@s.whatsapp.net, 123456789@lid or 120363000000000000@g.us")]
    NotAJid,
    /// A JID of a kind that messages cannot be sent to.
    #[error("Must be a JID that ends in @s.whatsapp.net, @lid or @g.us")]
    UnknownServer,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("919876543210", "919876543210")]
    #[case("+91 98765-43210", "919876543210")]
    #[case("+1 (415) 555.0100", "14155550100")]
    fn tolerated_spellings_keep_their_digits(#[case] written: &str, #[case] digits: &str) {
        assert_eq!(written.parse::<PhoneNumber>().unwrap().as_str(), digits);
    }

    #[rstest]
    #[case("", AddressError::Length(0))]
    #[case("123", AddressError::Length(3))]
    #[case("1234567890123456", AddressError::Length(16))]
    #[case("0049123456789", AddressError::LeadingZero)]
    #[case("call me", AddressError::NotANumber)]
    #[case("９１９８７６５４３２１０", AddressError::NotANumber)]
    #[case("91987654321+0", AddressError::NotANumber)]
    fn a_number_that_is_none_is_refused(#[case] written: &str, #[case] error: AddressError) {
        assert_eq!(written.parse::<PhoneNumber>(), Err(error));
    }

    #[rstest]
    #[case("919876543210@s.whatsapp.net", "919876543210@s.whatsapp.net")]
    #[case("919876543210:7@s.whatsapp.net", "919876543210@s.whatsapp.net")]
    #[case("919876543210@c.us", "919876543210@s.whatsapp.net")]
    #[case("123456789012345@lid", "123456789012345@lid")]
    #[case("120363000000000000@g.us", "120363000000000000@g.us")]
    #[case("491234567-1600000000@g.us", "491234567-1600000000@g.us")]
    fn a_jid_keeps_its_account(#[case] written: &str, #[case] jid: &str) {
        assert_eq!(written.parse::<Recipient>().unwrap().to_jid().to_string(), jid);
    }

    #[rstest]
    #[case("@s.whatsapp.net")]
    #[case("abc@lid")]
    #[case("1@newsletter")]
    #[case("12 34567@s.whatsapp.net")]
    #[case("@g.us")]
    fn a_jid_that_is_none_is_refused(#[case] written: &str) {
        assert!(written.parse::<Recipient>().is_err());
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parser(text in ".{0,80}") {
            if let Ok(recipient) = text.parse::<Recipient>() {
                let again: Recipient = recipient.echo().parse().unwrap();
                prop_assert_eq!(again.to_jid(), recipient.to_jid());
            }
        }
    }
}
