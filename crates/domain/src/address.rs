//! Who a message goes to: phone numbers, JIDs, and the forms in which callers write them.

mod number;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

pub use number::PhoneNumber;

use crate::text;

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
            let valid = user.len() <= 64
                && user.bytes().any(|b| b.is_ascii_digit())
                && user.bytes().all(|b| b.is_ascii_digit() || b == b'-');
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

    /// The phone number, if it is one or the address of one.
    pub fn phone_number(&self) -> Option<PhoneNumber> {
        match self {
            Self::Phone(number) => Some(number.clone()),
            Self::Jid(jid) => jid.phone_number(),
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
    #[error(
        "Has {}, which no phone number has. Write its digits with the country code, such as 919876543210, or a WhatsApp JID",
        named(*.0)
    )]
    Character(char),
    /// A `+` that is not in front, or more than one.
    #[error("Has a + that is not in front. Write it once, before the country code, or leave it out")]
    Plus,
    /// `+44 (0)20 …`: a zero that is dialled within the country only.
    #[error("Leave out the (0): it is dialled within the country only, and makes another number of it")]
    TrunkZero,
    /// `919876543210.0`: a number that was calculated with.
    #[error(
        "Ends like a decimal number of a spreadsheet. Write its digits alone, without the point and what is behind it"
    )]
    Decimal,
    /// `9.19877E+11`: its last digits are lost.
    #[error("Looks like a number that a spreadsheet has rounded: format the column as text and enter the number again")]
    Rounded,
    /// Two numbers in one field.
    #[error("Looks like two numbers. Write one number, without a line break, a tab or a slash in it")]
    TwoNumbers,
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

/// A character as a sentence can show it: by its code, where it shows nothing by itself.
fn named(c: char) -> String {
    if text::stands_alone(c) { format!("the character `{c}`") } else { format!("the character U+{:04X}", u32::from(c)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

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
    #[case("@lid")]
    #[case("@g.us")]
    #[case("-@g.us")]
    #[case("---@g.us")]
    #[case("0532030482@c.us")]
    #[case("+919876543210@s.whatsapp.net")]
    #[case("status@broadcast")]
    #[case("919876543210@")]
    #[case("٩١٩٨٧٦٥٤٣٢١٠@s.whatsapp.net")]
    fn a_jid_that_is_none_is_refused(#[case] written: &str) {
        assert!(written.parse::<Recipient>().is_err());
    }

    #[rstest]
    #[case('x', "the character `x`")]
    #[case('é', "the character `é`")]
    #[case('\u{301}', "the character U+0301")]
    #[case('\u{202e}', "the character U+202E")]
    #[case('\u{7}', "the character U+0007")]
    fn a_wrong_character_is_named_so_that_it_can_be_seen(#[case] c: char, #[case] name: &str) {
        assert_eq!(named(c), name);
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
