//! How values are written: booleans, numbers, durations, keys, versions.

use std::{str::FromStr, time::Duration};

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

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

/// Reads `true` or `false`.
pub fn boolean(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "must be true or false".to_owned())
}

/// Reads a whole number within the bounds, both included.
pub fn number<N: FromStr + PartialOrd + Copy + std::fmt::Display>(text: &str, least: N, most: N) -> Result<N, String> {
    text.parse()
        .ok()
        .filter(|number| (&least..=&most).contains(&number))
        .ok_or_else(|| format!("must be a whole number from {least} to {most}"))
}

/// Reads a number with a unit: `50ms`, `30s`, `15m`, `12h`, `30d`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let written = || "must be a number with a unit: 50ms, 30s, 15m, 12h or 30d".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(written)?;
    let (number, unit) = text.split_at(digits);
    let millis_each: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(written()),
    };
    let number: u64 = number.parse().map_err(|_| written())?;
    let millis = number.checked_mul(millis_each).filter(|millis| *millis <= 3650 * 86_400_000);
    millis.map(Duration::from_millis).ok_or_else(|| "must be ten years at most".to_owned())
}

/// Reads a number of bytes with a unit: `64KiB`, `256MiB`, `2GiB`.
pub fn size(text: &str) -> Result<u64, String> {
    let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
    let read = units.into_iter().find_map(|(unit, bytes)| {
        let digits = text.strip_suffix(unit).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        digits.parse::<u64>().ok()?.checked_mul(bytes)
    });
    read.ok_or_else(|| "must be a number with a unit: 64KiB, 256MiB or 2GiB".to_owned())
}

/// Reads a duration that is not zero.
pub fn lasting(text: &str) -> Result<Duration, String> {
    duration(text).and_then(|found| if found.is_zero() { Err("must not be zero".to_owned()) } else { Ok(found) })
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

/// Reads WhatsApp Web's version: three numbers with dots between them.
pub fn version(text: &str) -> Result<(u32, u32, u32), String> {
    let parts: Option<Vec<u32>> = text.split('.').map(|part| part.parse().ok()).collect();
    match parts.as_deref() {
        Some([major, minor, patch]) => Ok((*major, *minor, *patch)),
        _ => Err("must be three numbers with dots between them, such as 2.3000.1023456789".to_owned()),
    }
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
        assert!(lasting("0ms").is_err());
    }

    #[test]
    fn a_size_has_a_unit() {
        assert_eq!(size("256MiB"), Ok(256 * 1024 * 1024));
        assert_eq!(size("0MiB"), Ok(0));
        for wrong in
            ["", "MiB", "256", "256MB", "+1MiB", "1.5GiB", "99999999999999999999KiB", "18446744073709551615GiB"]
        {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_keep_their_bounds() {
        assert_eq!(number("1", 1_u32, 100), Ok(1));
        assert_eq!(number::<u32>("0", 1, 100), Err("must be a whole number from 1 to 100".to_owned()));
        assert!(number::<u32>("many", 1, 100).is_err());
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

    #[test]
    fn a_version_has_three_numbers() {
        assert_eq!(version("2.3000.1023456789"), Ok((2, 3000, 1_023_456_789)));
        for wrong in ["2.3000", "2.3000.x", "2.3000.1.1"] {
            assert!(version(wrong).is_err(), "{wrong}");
        }
    }
}
