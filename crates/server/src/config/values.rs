//! Texts: which none may be, and how durations, sizes and keys are read and written.

use std::{num::NonZeroU32, time::Duration};

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

/// The units of durations, in milliseconds.
const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// The units of sizes, in bytes.
const SIZES: [(&str, u64); 3] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// Refuses what a value only has by accident: the end of a line from a file made on Windows, quotes that nobody took
/// off. A folder named `data\r` would be made, empty, with a new master key.
pub fn as_typed(text: &str) -> Result<(), &'static str> {
    if text.chars().any(char::is_control) {
        return Err(
            "contains a control character, such as the carriage return that ends lines on Windows: take it away",
        );
    }
    if ['"', '\''].iter().any(|quote| text.len() > 1 && text.starts_with(*quote) && text.ends_with(*quote)) {
        return Err(
            "has quotes around it, which are then part of the value (docker --env-file keeps them): take them away",
        );
    }
    if text.trim() != text {
        return Err("begins or ends with a blank: take it away");
    }
    Ok(())
}

/// Reads a number with a unit: `50ms`, `30s`, `15m`, `12h`, `30d`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let written = || "must be a number with a unit: 50ms, 30s, 15m, 12h or 30d".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(written)?;
    let (number, unit) = text.split_at(digits);
    let (_, millis_each) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(written)?;
    let number: u64 = number.parse().map_err(|_| written())?;
    let millis = number.checked_mul(*millis_each).filter(|millis| *millis <= 3650 * 86_400_000);
    millis.map(Duration::from_millis).ok_or_else(|| "must be ten years at most".to_owned())
}

/// Reads a number of bytes with a unit: `64KiB`, `256MiB`, `2GiB`.
pub fn size(text: &str) -> Result<u64, String> {
    let read = SIZES.iter().find_map(|(unit, bytes)| {
        let digits = text.strip_suffix(unit).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        digits.parse::<u64>().ok()?.checked_mul(*bytes)
    });
    read.ok_or_else(|| "must be a number with a unit: 64KiB, 256MiB or 2GiB".to_owned())
}

/// Writes a limit: 0 for none.
pub fn write_limit(limit: Option<NonZeroU32>) -> String {
    limit.map_or(0, NonZeroU32::get).to_string()
}

/// Writes a duration as [`duration`] reads it, in its largest whole unit. A day is 24 hours.
pub fn write_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    let whole = |(_, each): &&(&str, u64)| millis.is_multiple_of(u128::from(*each)) && millis >= u128::from(*each);
    match UNITS.iter().rev().find(whole) {
        Some(("d", each)) if millis == u128::from(*each) => "24h".to_owned(),
        Some((unit, each)) => format!("{}{unit}", millis / u128::from(*each)),
        None => "0s".to_owned(),
    }
}

/// Writes a number of bytes as [`size`] reads it, in its largest whole unit.
pub fn write_size(bytes: u64) -> String {
    let whole = SIZES.iter().rev().find(|(_, each)| bytes >= *each && bytes.is_multiple_of(*each));
    whole.map_or_else(|| format!("{}KiB", bytes >> 10), |(unit, each)| format!("{}{unit}", bytes / each))
}

/// Reads 32 bytes written in hex or in base64, standard or URL-safe, padded or not.
pub fn key(text: &str) -> Result<Zeroizing<[u8; 32]>, String> {
    let text = text.trim();
    let bytes = Zeroizing::new(if text.len() == 64 { from_hex(text) } else { from_base64(text) }.unwrap_or_default());
    let key: [u8; 32] = bytes.as_slice().try_into().map_err(|_| "must be 32 bytes in base64 or hex".to_owned())?;
    Ok(Zeroizing::new(key))
}

/// Writes a key as [`key`] reads it.
pub fn write_key(key: &[u8; 32]) -> Zeroizing<String> {
    Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(key))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .collect()
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let text = Zeroizing::new(text.replace('-', "+").replace('_', "/"));
    GeneralPurpose::new(&alphabet::STANDARD, lenient).decode(text.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_what_somebody_meant_to_type() {
        for text in ["", "./data", "https://a.example, https://b.example", "it's", "\"", "\"a\" and 'b'"] {
            assert_eq!(as_typed(text), Ok(()), "{text}");
        }
        for text in ["./data\r", "a\nb", "\u{85}", "\"./data\"", "'x'", "\"\"", " x", "x\u{a0}", " "] {
            assert!(as_typed(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn durations_carry_their_unit() {
        assert_eq!(duration("50ms"), Ok(Duration::from_millis(50)));
        assert_eq!(duration("30d"), Ok(Duration::from_hours(720)));
        assert_eq!(duration("0s"), Ok(Duration::ZERO));
        for wrong in ["", "30", "s", "-1s", "1.5s", "1 s", "1w", "99999999999999999999s", "9999999d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        for text in ["50ms", "1s", "15m", "1h", "24h", "30d", "0s", "1500ms"] {
            assert_eq!(write_duration(duration(text).unwrap()), text);
        }
    }

    #[test]
    fn a_size_has_a_unit() {
        assert_eq!(size("256MiB"), Ok(256 * 1024 * 1024));
        assert_eq!(size("0MiB"), Ok(0));
        for text in ["1KiB", "256MiB", "3GiB", "1025MiB", "0KiB"] {
            assert_eq!(write_size(size(text).unwrap()), text);
        }
        for wrong in
            ["", "MiB", "256", "256MB", "+1MiB", "1.5GiB", "99999999999999999999KiB", "18446744073709551615GiB"]
        {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_key_is_read_in_every_spelling_and_only_whole() {
        let bytes = [0xfb; 32];
        let base64 = write_key(&bytes);
        let url_safe = base64.replace('+', "-").replace('/', "_");
        let hex = "fb".repeat(32);
        for text in [base64.as_str(), base64.trim_end_matches('='), &url_safe, &hex, &format!(" {hex}\n")] {
            assert_eq!(*key(text).unwrap(), bytes, "{text}");
        }
        for wrong in ["", "short", &hex[1..], &"zz".repeat(32), &format!("{hex}00")] {
            assert!(key(wrong).is_err(), "{wrong}");
        }
    }
}
