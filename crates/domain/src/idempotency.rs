//! Idempotency keys: how a caller says that two requests are one.

use std::time::Duration;

/// The value of the header `Idempotency-Key`: 1 to [`IdempotencyKey::MAX`] printable ASCII characters that the caller
/// chose. Per tenant.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The most characters.
    pub const MAX: usize = 255;
    /// How long a key is remembered, from the first request that carried it.
    pub const KEPT: Duration = Duration::from_hours(24);

    /// Reads a key as it came; a sentence for the caller where it is none.
    pub fn parse(written: &[u8]) -> Result<Self, String> {
        let printable = written.iter().all(|byte| matches!(byte, b' '..=b'~'));
        if !printable || written.is_empty() || written.len() > Self::MAX {
            return Err(format!("Must have 1 to {} printable ASCII characters", Self::MAX));
        }
        Ok(Self(written.iter().copied().map(char::from).collect()))
    }

    /// The key as it came.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A caller's secret, more or less: who has it can ask for the answer again.
impl std::fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdempotencyKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_1_to_255_printable_ascii_characters() {
        let longest = "k".repeat(IdempotencyKey::MAX);
        for good in ["k", "order 7/2026 ~!", longest.as_str()] {
            assert_eq!(IdempotencyKey::parse(good.as_bytes()).unwrap().as_str(), good);
        }
        let too_long = "k".repeat(IdempotencyKey::MAX + 1);
        for bad in ["", "a\tb", "a\u{7f}", "schlüssel", too_long.as_str()] {
            assert!(IdempotencyKey::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
