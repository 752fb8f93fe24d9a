//! The rules that fields obey. Each takes a value as it came and gives what it means, or a sentence for the client.

use std::{fmt::Display, ops::RangeInclusive, str::FromStr};

use serde_json::Value;
use uuid::Uuid;
use waypost_domain::{Timestamp, text::shows_nothing};

/// The first millisecond of the year 10000, past which RFC 3339 has no names.
const END_OF_TIME: Timestamp = Timestamp::from_secs(253_402_300_800);

/// Any text. NUL is refused in every text: PostgreSQL cannot keep it, and no client means it.
pub fn string(value: Value) -> Result<String, String> {
    match value {
        Value::String(text) if text.contains('\0') => Err("Must not contain the character NUL (U+0000)".into()),
        Value::String(text) => Ok(text),
        _ => Err("Must be a string".into()),
    }
}

/// A text of so many characters (Unicode scalar values).
pub fn text(characters: RangeInclusive<usize>) -> impl FnOnce(Value) -> Result<String, String> {
    move |value| {
        let text = string(value)?;
        // A character has 1 to 4 bytes: most texts need no count.
        let surely_fits = text.len() <= *characters.end() && text.len() >= characters.start() * 4;
        if surely_fits || characters.contains(&text.chars().count()) {
            Ok(text)
        } else {
            Err(format!("Must have {} to {} characters", characters.start(), characters.end()))
        }
    }
}

/// A text of so many characters that people are to see: something in it must show. It stays exactly as it is.
pub fn visible_text(characters: RangeInclusive<usize>) -> impl FnOnce(Value) -> Result<String, String> {
    move |value| {
        let text = text(characters)(value)?;
        if shows_nothing(&text) {
            return Err(
                "Must have something to see: it has blanks and characters that show nothing, and no others".into()
            );
        }
        Ok(text)
    }
}

/// A name that people read: so many characters, something to see among them; blanks around it do not count.
pub fn name(characters: RangeInclusive<usize>) -> impl FnOnce(Value) -> Result<String, String> {
    move |value| {
        let name = string(value)?;
        visible_text(characters)(Value::String(name.trim().to_owned()))
    }
}

/// A text that a type of ours reads itself.
pub fn parsed<T: FromStr<Err: Display>>(value: Value) -> Result<T, String> {
    string(value)?.parse().map_err(|error: T::Err| error.to_string())
}

/// An id.
pub fn id<I: From<Uuid>>(value: Value) -> Result<I, String> {
    uuid(&string(value)?).map(I::from)
}

/// A UUID in its usual form of 36 characters.
pub fn uuid(text: &str) -> Result<Uuid, String> {
    let usual_form = Some(text).filter(|text| text.len() == 36);
    usual_form.and_then(|text| text.parse().ok()).ok_or_else(|| "Must be a UUID".into())
}

/// Yes or no; in a query as a word.
pub fn boolean(value: Value) -> Result<bool, String> {
    match value {
        Value::Bool(value) => Ok(value),
        Value::String(word) if word == "true" => Ok(true),
        Value::String(word) if word == "false" => Ok(false),
        _ => Err("Must be true or false".into()),
    }
}

/// A whole number; in a query as digits.
pub fn integer(range: RangeInclusive<u32>) -> impl FnOnce(Value) -> Result<u32, String> {
    move |value| {
        let number = match &value {
            // JSON has one kind of numbers: 20.0 is 20.
            Value::Number(number) => {
                let digits = number.to_string();
                digits.strip_suffix(".0").unwrap_or(&digits).parse().ok()
            }
            Value::String(digits) => digits.parse().ok(),
            _ => None,
        };
        number
            .filter(|number| range.contains(number))
            .ok_or_else(|| format!("Must be a whole number from {} to {}", range.start(), range.end()))
    }
}

/// A point in time.
pub fn time(value: Value) -> Result<Timestamp, String> {
    Timestamp::parse(&string(value)?).filter(|at| (Timestamp::from_millis(0)..END_OF_TIME).contains(at)).ok_or_else(
        || {
            "Must be an RFC 3339 time: a date, T, a time and an offset, such as 2026-11-22T13:45:00.000Z or \
             2026-11-22T19:15:00+05:30"
                .into()
        },
    )
}

/// A point in time in a query. A `+` that is not percent-encoded arrives there as a blank: before an offset it is taken
/// for the plus.
pub fn query_time(value: Value) -> Result<Timestamp, String> {
    let mut text = string(value)?;
    let offset = text.len().saturating_sub("+hh:mm".len());
    if text.get(offset..=offset) == Some(" ") {
        text.replace_range(offset..=offset, "+");
    }
    time(Value::String(text))
}

/// One of a few names.
pub fn one_of<T: Copy>(all: &'static [T], name: fn(T) -> &'static str) -> impl Fn(Value) -> Result<T, String> {
    move |value| {
        let found = value.as_str().and_then(|word| all.iter().copied().find(|item| name(*item) == word));
        found.ok_or_else(|| {
            let names: Vec<_> = all.iter().map(|item| name(*item)).collect();
            format!("Must be one of: {}", names.join(", "))
        })
    }
}

/// A list of at most `most` items that each obey a rule.
pub fn list<T>(most: usize, rule: impl Fn(Value) -> Result<T, String>) -> impl FnOnce(Value) -> Result<Vec<T>, String> {
    move |value| {
        let Value::Array(items) = value else { return Err("Must be a list".into()) };
        if items.len() > most {
            return Err(format!("Must have {most} items at most"));
        }
        let item = |(index, item)| rule(item).map_err(|sentence| format!("Item {}: {sentence}", index + 1));
        items.into_iter().enumerate().map(item).collect()
    }
}

/// A list of so many items, whose rules are the caller's to apply.
pub fn items(count: RangeInclusive<usize>) -> impl FnOnce(Value) -> Result<Vec<Value>, String> {
    move |value| {
        let Value::Array(items) = value else { return Err("Must be a list".into()) };
        let fits = count.contains(&items.len());
        fits.then_some(items).ok_or_else(|| format!("Must have {} to {} items", count.start(), count.end()))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;
    use waypost_domain::Direction;

    use super::*;

    #[rstest]
    #[case("", false)]
    #[case("a", true)]
    #[case("äöüß", true)]
    #[case("🦀🦀🦀🦀🦀", true)]
    #[case("🦀🦀🦀🦀🦀🦀", false)]
    #[case("abcdef", false)]
    fn a_text_is_measured_in_characters(#[case] written: &str, #[case] good: bool) {
        assert_eq!(text(1..=5)(json!(written)).is_ok(), good);
    }

    #[test]
    fn nul_is_refused_in_every_text() {
        for refused in [
            text(1..=5)(json!("a\0b")).unwrap_err(),
            name(1..=5)(json!("a\0b")).unwrap_err(),
            parsed::<waypost_domain::Email>(json!("a\0@example.com")).unwrap_err(),
        ] {
            assert_eq!(refused, "Must not contain the character NUL (U+0000)");
        }
    }

    #[test]
    fn a_text_keeps_its_blanks_and_a_name_does_not() {
        assert_eq!(text(1..=9)(json!(" a\n ")).unwrap(), " a\n ");
        assert_eq!(name(1..=1)(json!(" a\n ")).unwrap(), "a");
        assert!(name(1..=9)(json!("   ")).is_err());
    }

    #[rstest]
    #[case("\n")]
    #[case("\u{200b}")]
    #[case("\u{ad}\u{feff}")]
    #[case("\u{2060} \u{200d}")]
    fn a_text_that_shows_nothing_is_refused_where_something_is_to_be_seen(#[case] written: &str) {
        assert!(visible_text(1..=9)(json!(written)).unwrap_err().starts_with("Must have something to see"));
        assert!(name(1..=9)(json!(written)).is_err());
    }

    #[rstest]
    #[case(" a\n ")]
    #[case("\u{200b}a\u{200b}")]
    #[case("👩\u{200d}💻")]
    fn a_text_with_something_to_see_keeps_every_byte(#[case] written: &str) {
        assert_eq!(visible_text(1..=9)(json!(written)).unwrap(), written);
    }

    #[rstest]
    #[case("2026-12-24T18:00:00+05:30", true)]
    #[case("2026-12-24T18:00:00 05:30", true)]
    #[case("2026-12-24 18:00:00 05:30", true)]
    #[case("2026-12-24T18:00:00 0530", false)]
    #[case("2026-12-24T18:00:00", false)]
    #[case("2026-12-24 05:30", false)]
    #[case(" 05:30", false)]
    #[case("2026-12-24T18:00:00Z 05:30", false)]
    fn in_a_query_a_blank_before_an_offset_is_the_plus(#[case] written: &str, #[case] good: bool) {
        assert_eq!(query_time(json!(written)).ok(), good.then_some(Timestamp::from_secs(1_798_115_400)));
        assert_eq!(time(json!(written)).is_ok(), good && written.contains('+'));
    }

    #[rstest]
    #[case(json!("2026-11-22T13:45:00Z"), true)]
    #[case(json!("2026-11-22T13:45:00+05:30"), true)]
    #[case(json!("2026-11-22"), false)]
    #[case(json!("9999-12-31T23:59:59-14:00"), false)]
    #[case(json!("0000-01-01T00:00:00Z"), false)]
    #[case(json!(1_700_000_000), false)]
    fn a_time_is_rfc_3339(#[case] written: Value, #[case] good: bool) {
        assert_eq!(time(written).is_ok(), good);
    }

    #[rstest]
    #[case(json!("0192f3a0-0000-7000-8000-000000000001"), true)]
    #[case(json!("0192F3A0-0000-7000-8000-000000000001"), true)]
    #[case(json!("0192f3a00000700080000000000000001"), false)]
    #[case(json!("{0192f3a0-0000-7000-8000-000000000001}"), false)]
    #[case(json!("uuid"), false)]
    #[case(json!(7), false)]
    fn an_id_is_a_uuid(#[case] written: Value, #[case] good: bool) {
        assert_eq!(id::<Uuid>(written).is_ok(), good);
    }

    #[test]
    fn a_name_that_is_none_of_the_few_is_answered_with_the_few() {
        let direction = one_of(&[Direction::Inbound, Direction::Outbound], Direction::as_str);
        assert_eq!(direction(json!("inbound")), Ok(Direction::Inbound));
        for wrong in [json!("sideways"), json!(1), json!(["inbound"])] {
            assert_eq!(direction(wrong), Err("Must be one of: inbound, outbound".into()));
        }
    }

    #[test]
    fn a_list_says_which_item_is_wrong_and_is_bounded() {
        let read = |value| list(2, boolean)(value);
        assert_eq!(read(json!([true, false])), Ok(vec![true, false]));
        assert_eq!(read(json!([true, 1])), Err("Item 2: Must be true or false".into()));
        assert_eq!(read(json!([true, true, true])), Err("Must have 2 items at most".into()));
        assert_eq!(read(json!(true)), Err("Must be a list".into()));
    }

    #[rstest]
    #[case(json!("1"), Some(1))]
    #[case(json!(100), Some(100))]
    #[case(json!("0"), None)]
    #[case(json!(101), None)]
    #[case(json!(7.0), Some(7))]
    #[case(json!(1.5), None)]
    #[case(json!(-1.0), None)]
    #[case(json!("-1"), None)]
    #[case(json!("99999999999999999999"), None)]
    #[case(json!(true), None)]
    fn a_number_is_whole_and_within_its_range(#[case] written: Value, #[case] number: Option<u32>) {
        assert_eq!(integer(1..=100)(written).ok(), number);
    }
}
