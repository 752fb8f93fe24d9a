//! JSON as it comes from outside: every member of an object once, and a sentence for what people get wrong.

use std::fmt::{self, Write};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::fields::shown;
use crate::error::ApiError;

/// Reads a JSON object in UTF-8, with or without a byte-order mark (RFC 8259, 8.1). A member that stands twice in one
/// object is refused at any depth: which of the two was meant, nobody knows.
pub fn object(body: &[u8]) -> Result<Map<String, Value>, ApiError> {
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    let text = std::str::from_utf8(body).map_err(|error| {
        let at = error.valid_up_to() + 1;
        ApiError::field("body", format!("Must be JSON in UTF-8, but byte {at} begins no character of it"))
    })?;
    let mut place = Place::default();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = Reader(&mut place).deserialize(&mut deserializer);
    match read.and_then(|value| deserializer.end().map(|()| value)) {
        Err(_) if place.stands_twice => Err(ApiError::field(&shown(&place.path), "Stands twice. Write it once")),
        Err(error) => Err(ApiError::field("body", sentence(&error, text))),
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(ApiError::field("body", "Must be a JSON object")),
    }
}

fn sentence(error: &serde_json::Error, text: &str) -> String {
    // The library has no code for it.
    let is_raw = error.to_string().starts_with("control character");
    match is_raw.then(|| raw_control(text)).flatten() {
        Some((line, b'\n' | b'\r')) => {
            format!("Has a raw line break in a string, in line {line}. In JSON it is written \\n")
        }
        Some((line, b'\t')) => format!("Has a raw tab in a string, in line {line}. In JSON it is written \\t"),
        Some((line, byte)) => {
            format!(
                "Has the raw character U+{byte:04X} in a string, in line {line}. In JSON it is written \\u{byte:04x}"
            )
        }
        None => format!("Must be JSON in UTF-8: {error}"),
    }
}

/// The first control character within a string, and the number of the line that it stands in or ends.
fn raw_control(text: &str) -> Option<(usize, u8)> {
    let (mut line, mut in_string, mut escaped) = (1, false, false);
    for byte in text.bytes() {
        match byte {
            0..0x20 if in_string => return Some((line, byte)),
            b'\n' => line += 1,
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            _ => {}
        }
    }
    None
}

/// Where the reader is: `pacing.perMinute`, `numbers[1]`.
#[derive(Default)]
struct Place {
    path: String,
    /// Whether the member there stands twice; the reader goes no further then.
    stands_twice: bool,
}

/// Reads a value.
struct Reader<'p>(&'p mut Place);

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        let outer = self.0.path.len();
        loop {
            let _ = write!(self.0.path, "[{}]", list.len());
            let Some(item) = items.next_element_seed(Reader(self.0))? else { break };
            list.push(item);
            self.0.path.truncate(outer);
        }
        self.0.path.truncate(outer);
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        let outer = self.0.path.len();
        while let Some(name) = members.next_key::<String>()? {
            self.0.path += if outer > 0 { "." } else { "" };
            self.0.path += &name;
            if object.contains_key(&name) {
                self.0.stands_twice = true;
                return Err(A::Error::custom("a member stands twice"));
            }
            object.insert(name, members.next_value_seed(Reader(self.0))?);
            self.0.path.truncate(outer);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn refused(body: &[u8]) -> (String, String) {
        let Err(ApiError::Validation(errors)) = object(body) else { panic!("accepted") };
        errors.into_iter().next().unwrap()
    }

    #[test]
    fn what_is_read_is_what_was_written() {
        let body = r#"{"a":[1,-2,2.5,"x",null,true,{"b":{}}],"c":"\u00e9\n","d":18446744073709551615}"#;
        let read = json!({ "a": [1, -2, 2.5, "x", null, true, { "b": {} }], "c": "é\n", "d": u64::MAX });
        assert_eq!(Value::Object(object(body.as_bytes()).unwrap()), read);
    }

    #[test]
    fn a_byte_order_mark_is_read_over() {
        assert_eq!(Value::Object(object(b"\xef\xbb\xbf{\"a\":1}").unwrap()), json!({ "a": 1 }));
        assert_eq!(refused(b"\xef\xbb\xbf\xef\xbb\xbf{}").0, "body");
        assert_eq!(refused(b"\xff\xfe{\0}\0").1, "Must be JSON in UTF-8, but byte 1 begins no character of it");
    }

    #[rstest]
    #[case(r#"{"a":1,"b":2,"a":1}"#, "a")]
    #[case(r#"{"a":1,"\u0061":2}"#, "a")]
    #[case(r#"{"pacing":{"perMinute":1,"perMinute":null}}"#, "pacing.perMinute")]
    #[case(r#"{"list":[[0],[1,{"x":[],"y":{"z":1,"z":1}}]]}"#, "list[1][1].y.z")]
    fn a_member_that_stands_twice_is_refused_and_named(#[case] body: &str, #[case] named: &str) {
        assert_eq!(refused(body.as_bytes()), (named.to_owned(), "Stands twice. Write it once".to_owned()));
    }

    #[test]
    fn one_name_in_two_objects_is_no_repeat() {
        assert!(object(br#"{"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]}"#).is_ok());
    }

    #[rstest]
    #[case("{\n\"text\":\"a\nb\"}", "Has a raw line break in a string, in line 2. In JSON it is written \\n")]
    #[case("{\"text\":\"\\\"\r\n\"}", "Has a raw line break in a string, in line 1. In JSON it is written \\n")]
    #[case("{\"a\tb\":1}", "Has a raw tab in a string, in line 1. In JSON it is written \\t")]
    #[case("{\"a\u{1b}\":1}", "Has the raw character U+001B in a string, in line 1. In JSON it is written \\u001b")]
    #[case("{\"a\":\"\\q\n\"}", "Must be JSON in UTF-8: invalid escape at line 1 column 8")]
    #[case("{\"a\":tru\n}", "Must be JSON in UTF-8: expected ident at line 2 column 0")]
    fn what_people_get_wrong_has_a_sentence(#[case] body: &str, #[case] sentence: &str) {
        assert_eq!(refused(body.as_bytes()), ("body".to_owned(), sentence.to_owned()));
    }
}
