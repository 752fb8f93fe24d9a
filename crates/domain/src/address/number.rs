//! Phone numbers, and how people write them.
//!
//! What is read are the digits as they are shown, in their order: none is added, dropped or changed. A text that may mean
//! another number than its digits is refused with a sentence of its own.

use std::{fmt, str::FromStr};

use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{Dash, GeneralCategory},
};
use serde::Serialize;

use super::{AddressError, Jid, JidServer};
use crate::text;

/// The fewest digits of a number.
const FEWEST: usize = 7;
/// The most digits of a number (E.164).
const MOST: usize = 15;
/// So many digits before the end of a line are a number of their own.
const WHOLE: usize = 10;

/// An international phone number: its digits alone, country code first, without `+`.
///
/// The rule is E.164's shape: 7 to 15 digits, not starting with 0. Whether a number exists is WhatsApp's to say
/// (`checkNumber`), and it is never rewritten blindly.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PhoneNumber(pub(super) String);

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

    /// Accepts digits of any script, a `+` in front, and between the digits blanks, dashes, dots, brackets, slashes and
    /// characters that show nothing.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        if is_rounded(text) {
            return Err(AddressError::Rounded);
        }
        let plain = plain(text)?;
        check_plus(&plain)?;
        check_trunk_zero(&plain)?;
        check_decimal(&plain)?;
        check_one_number(&plain)?;
        let digits: String = plain.chars().filter(char::is_ascii_digit).collect();
        if !(FEWEST..=MOST).contains(&digits.len()) {
            return Err(AddressError::Length(digits.len()));
        }
        if digits.starts_with('0') {
            return Err(AddressError::LeadingZero);
        }
        Ok(Self(digits))
    }
}

/// The text in ASCII: each character is replaced by the sign that it stands for.
fn plain(text: &str) -> Result<String, AddressError> {
    let mut plain = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        match sign(c) {
            Some(sign) => plain.push(sign),
            None => return Err(stray(c, digits_in(&plain), &text[at + c.len_utf8()..])),
        }
    }
    Ok(plain)
}

/// What a character stands for in a number: a digit, `+`, `.`, `(`, `)`, `/`, a blank, a line break; or nothing.
fn sign(c: char) -> Option<char> {
    match c {
        '0'..='9' | '+' | '.' | '(' | ')' | '/' | ' ' => Some(c),
        '\u{ff0b}' => Some('+'),
        '\u{ff0e}' => Some('.'),
        '[' | '\u{ff08}' | '\u{ff3b}' => Some('('),
        ']' | '\u{ff09}' | '\u{ff3d}' => Some(')'),
        // It turns the digits around that follow: they are shown as another number than they are.
        '\u{202e}' => None,
        // Tabs and line breaks part cells and lines.
        _ if c.is_whitespace() => Some(if is_space(c) { ' ' } else { '\n' }),
        _ if is_dash(c) || text::is_format(c) => Some(' '),
        _ => digit(c),
    }
}

fn is_space(c: char) -> bool {
    CodePointMapData::<GeneralCategory>::new().get(c) == GeneralCategory::SpaceSeparator
}

/// Unicode's dashes, and three that look and are typed like one: the hyphen bullet, the modifier letter, and the
/// Japanese mark of a long vowel.
fn is_dash(c: char) -> bool {
    CodePointSetData::new::<Dash>().contains(c) || matches!(c, '\u{2043}' | '\u{2d7}' | '\u{30fc}')
}

/// The ASCII digit that a digit of any script shows. Unicode's stability policy says that decimal digits stand in runs of
/// ten, from zero to nine; five of them touch each other at most.
fn digit(c: char) -> Option<char> {
    let is_digit = |c| CodePointMapData::<GeneralCategory>::new().get32(c) == GeneralCategory::DecimalNumber;
    let c = u32::from(c);
    let before = (1..=c).take_while(|steps| is_digit(c - steps)).count();
    let value = u32::try_from(before % 10).ok().filter(|_| is_digit(c))?;
    char::from_digit(value, 10)
}

/// What a character that is in no number says about the text: `before` digits are before it, `rest` is behind it.
fn stray(c: char, before: usize, rest: &str) -> AddressError {
    let after = rest.chars().filter(|c| digit(*c).is_some()).count();
    if before >= FEWEST && after >= FEWEST {
        AddressError::TwoNumbers
    } else if c == ',' && after > 0 && rest.trim_end().bytes().all(|byte| byte == b'0') {
        AddressError::Decimal
    } else {
        AddressError::Character(c)
    }
}

/// `9.19877E+11`, or with a comma.
fn is_rounded(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.trim().split_once(['e', 'E']) else { return false };
    let is_digit = |byte: u8| byte.is_ascii_digit();
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    mantissa.bytes().any(is_digit)
        && mantissa.bytes().all(|byte| is_digit(byte) || b"+-.,".contains(&byte))
        && !exponent.is_empty()
        && exponent.bytes().all(is_digit)
}

fn digits_in(plain: &str) -> usize {
    plain.bytes().filter(u8::is_ascii_digit).count()
}

fn check_plus(plain: &str) -> Result<(), AddressError> {
    let mut pluses = plain.match_indices('+').map(|(at, _)| (digits_in(&plain[..at]), digits_in(&plain[at..])));
    match (pluses.next(), pluses.next()) {
        (None | Some((0, _)), None) => Ok(()),
        (Some((before, after)), None) | (Some(_), Some((before, after))) if before >= FEWEST && after >= FEWEST => {
            Err(AddressError::TwoNumbers)
        }
        _ => Err(AddressError::Plus),
    }
}

/// `+44 (0)20 …`: a zero that is dialled within the country, and makes another number of it elsewhere.
fn check_trunk_zero(plain: &str) -> Result<(), AddressError> {
    let close: String = plain.chars().filter(|c| !matches!(c, ' ' | '\n')).collect();
    let found = close.match_indices("(0)").any(|(at, _)| digits_in(&close[..at]) > 0);
    if found { Err(AddressError::TrunkZero) } else { Ok(()) }
}

/// `919876543210.0`: behind the last point one digit, or behind the only one zeros alone.
fn check_decimal(plain: &str) -> Result<(), AddressError> {
    let Some((whole, fraction)) = plain.trim().rsplit_once('.') else { return Ok(()) };
    let zeros = !whole.contains('.') && !fraction.is_empty() && fraction.bytes().all(|byte| byte == b'0');
    let one_digit = fraction.len() == 1 && digits_in(fraction) == 1;
    if zeros || one_digit { Err(AddressError::Decimal) } else { Ok(()) }
}

/// Looks at what stands between the digits: whether it may part two numbers instead of two groups of one.
fn check_one_number(plain: &str) -> Result<(), AddressError> {
    let all = digits_in(plain);
    let (mut before, mut last_group, mut rest) = (0, 0, plain);
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let between = &rest[..start];
        rest = &rest[start..];
        let group = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let both = |one: usize, other: usize| one >= FEWEST && other >= FEWEST;
        // A slash behind a number may also add other last digits: 1234567/68.
        let two = both(last_group, group)
            || (between.contains('/') && before >= FEWEST)
            || (between.contains('\n') && (before >= WHOLE || both(before, all - before)));
        if two {
            return Err(AddressError::TwoNumbers);
        }
        (before, last_group, rest) = (before + group, group, &rest[group..]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("919876543210", "919876543210")]
    #[case("+91 98765-43210", "919876543210")]
    #[case("(+91) 98765 43210", "919876543210")]
    #[case("+1 (415) 555.0100", "14155550100")]
    #[case("+1.415.555.0100", "14155550100")]
    #[case("1.4155550100", "14155550100")]
    #[case("+39 (06) 1234567", "39061234567")]
    #[case("+49 [151] 234-567-00", "4915123456700")]
    #[case("+49 151/23456789", "4915123456789")]
    #[case("33.6.12.34.56.00", "33612345600")]
    #[case("91\t98765\t43210\n", "919876543210")]
    fn tolerated_spellings_keep_their_digits(#[case] written: &str, #[case] digits: &str) {
        assert_eq!(written.parse::<PhoneNumber>().unwrap().as_str(), digits);
    }

    #[rstest]
    #[case::as_contacts_of_a_phone_copy_it("\u{202d}+91\u{a0}98765\u{2011}43210\u{202c}")]
    #[case::out_of_a_right_to_left_text("\u{2067}\u{200f}+91 98765 43210\u{2069}")]
    #[case::zero_width("\u{feff}91\u{200b}98765\u{2060}43210\u{200d}")]
    #[case::soft_hyphen("91\u{ad}9876543210")]
    #[case::spaces("91\u{2009}98\u{202f}76\u{2007}54\u{3000}32\u{2003}10")]
    #[case::dashes("91\u{2010}98\u{2012}76\u{2013}54\u{2014}32\u{2212}10")]
    #[case::other_dashes("91\u{2015}98\u{fe63}76\u{ff0d}54\u{30fc}32\u{2043}10")]
    #[case::fullwidth("\u{ff0b}\u{ff19}\u{ff11}（９８７６５）４３２１０")]
    #[case::arabic_indic("٩١٩٨٧٦٥٤٣٢١٠")]
    #[case::persian("+۹۱ ۹۸۷۶۵ ۴۳۲۱۰")]
    #[case::devanagari("९१९८७६५४३२१०")]
    fn what_is_pasted_is_read_as_the_number_it_shows(#[case] written: &str) {
        assert_eq!(written.parse::<PhoneNumber>().unwrap().as_str(), "919876543210");
    }

    #[rstest]
    #[case("", AddressError::Length(0))]
    #[case("123", AddressError::Length(3))]
    #[case("1234567890123456", AddressError::Length(16))]
    #[case("0049123456789", AddressError::LeadingZero)]
    #[case("0532030482", AddressError::LeadingZero)]
    #[case("call me", AddressError::Character('c'))]
    #[case("tel:+919876543210", AddressError::Character('t'))]
    #[case("1-800-FLOWERS", AddressError::Character('F'))]
    #[case("919876543210 ext 5", AddressError::Character('e'))]
    #[case("919876543210;ext=5", AddressError::Character(';'))]
    #[case("'919876543210", AddressError::Character('\''))]
    #[case("=919876543210", AddressError::Character('='))]
    #[case("91²9876543210", AddressError::Character('²'))]
    #[case("\u{202e}0123456789", AddressError::Character('\u{202e}'))]
    #[case("91\u{7}9876543210", AddressError::Character('\u{7}'))]
    #[case("91987654321+0", AddressError::Plus)]
    #[case("91+9876543210", AddressError::Plus)]
    #[case("++919876543210", AddressError::Plus)]
    #[case("+44 (0)20 7946 0958", AddressError::TrunkZero)]
    #[case("+49 (0) 151 23456789", AddressError::TrunkZero)]
    #[case("+44-(0)-7911-123456", AddressError::TrunkZero)]
    #[case("+44\u{a0}( \u{ff10} )20 7946 0958", AddressError::TrunkZero)]
    #[case("(0)20 7946 0958", AddressError::LeadingZero)]
    #[case("919876543210.0", AddressError::Decimal)]
    #[case("919876543210.00", AddressError::Decimal)]
    #[case("919876543210,0", AddressError::Decimal)]
    #[case("91 98765 4321.5", AddressError::Decimal)]
    #[case("9.19877E+11", AddressError::Rounded)]
    #[case("9,19877E+11", AddressError::Rounded)]
    #[case("9.19e11", AddressError::Rounded)]
    #[case("91 9876 5432 10 / 91 9876 5432 11", AddressError::TwoNumbers)]
    #[case("+919876543210 +919876543211", AddressError::TwoNumbers)]
    #[case("919876543210, 919876543211", AddressError::TwoNumbers)]
    #[case("919876543210 or 919876543211", AddressError::TwoNumbers)]
    #[case("5551234\n5551235", AddressError::TwoNumbers)]
    #[case("555 1234\n555 1235", AddressError::TwoNumbers)]
    #[case("555 1234 / 555 1235", AddressError::TwoNumbers)]
    #[case("5551234 5551235", AddressError::TwoNumbers)]
    #[case("919876543210\t5", AddressError::TwoNumbers)]
    #[case("+49 441 1234567/68", AddressError::TwoNumbers)]
    fn a_number_that_is_none_is_refused(#[case] written: &str, #[case] error: AddressError) {
        assert_eq!(written.parse::<PhoneNumber>(), Err(error));
    }

    #[test]
    fn a_text_of_many_characters_is_read_in_one_go() {
        for long in ["٣".repeat(100_000), "𝟗".repeat(100_000), "1/".repeat(100_000), "+".repeat(100_000)] {
            assert!(long.parse::<PhoneNumber>().is_err());
        }
    }

    #[test]
    fn the_digits_of_every_script_are_read_by_their_value() {
        for zero in ['0', '٠', '۰', '߀', '०', '０', '𝟎', '𝟘', '𝟢', '𝟬', '𝟶', '🯰'] {
            let value = |step| digit(char::from_u32(u32::from(zero) + step).unwrap());
            let read: String = (0..10).filter_map(value).collect();
            assert_eq!(read, "0123456789", "{zero}");
        }
    }

    /// The digits that a text shows, by another way than the reader's: the standard library's.
    fn shown(text: &str) -> String {
        text.chars().filter(char::is_ascii_digit).collect()
    }

    proptest! {
        #[test]
        fn what_is_accepted_has_the_digits_that_are_shown_in_their_order(
            text in "\\+?[0-9 .,()/+\u{a0}\u{200b}\u{202d}\u{2013}\u{2212}\t\nEe-]{0,24}",
        ) {
            if let Ok(number) = text.parse::<PhoneNumber>() {
                prop_assert_eq!(number.as_str(), shown(&text));
            }
        }

        #[test]
        fn a_separator_anywhere_changes_nothing_or_is_refused(
            digits in "[1-9][0-9]{6,14}", separator in any::<char>(), at in 0..16_usize,
        ) {
            let at = at.min(digits.len());
            let written = format!("{}{separator}{}", &digits[..at], &digits[at..]);
            if let Ok(number) = written.parse::<PhoneNumber>() {
                prop_assert!(number.as_str() == digits || digit(separator).is_some());
            }
        }
    }
}
