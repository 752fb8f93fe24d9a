//! Points in time, to the millisecond, in UTC.

use std::time::Duration;

use ::time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339, macros::format_description};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A point in time: milliseconds since 1970 in the database, RFC 3339 in UTC with milliseconds in JSON
/// (`2026-11-22T13:45:00.000Z`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since 1970-01-01T00:00:00Z.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From whole seconds since 1970, as WhatsApp's stanzas carry them.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// This time and `duration`.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This time less `duration`.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; zero if it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads RFC 3339 with any offset: a date, `T`, `t` or one blank, a time, an offset.
    pub fn parse(text: &str) -> Option<Self> {
        // The time crate takes any byte between date and time.
        if !matches!(text.as_bytes().get(10), Some(b'T' | b't' | b' ')) {
            return None;
        }
        let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        i64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok().map(Self)
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const FORMAT: &[::time::format_description::BorrowedFormatItem<'_>] =
            format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
        let text = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .ok()
            .and_then(|at| at.to_offset(UtcOffset::UTC).format(FORMAT).ok())
            .ok_or(std::fmt::Error)?;
        f.write_str(&text)
    }
}

impl std::fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Timestamp({})", self.0)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("expected a time such as 2026-11-22T13:45:00.000Z"))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn a_time_reads_as_rfc_3339_with_milliseconds() {
        let at = Timestamp::from_millis(1_700_000_000_007);
        assert_eq!(at.to_string(), "2023-11-14T22:13:20.007Z");
        assert_eq!(Timestamp::parse("2023-11-14T23:13:20.007+01:00"), Some(at));
        assert_eq!(serde_json::to_string(&at).unwrap(), "\"2023-11-14T22:13:20.007Z\"");
    }

    #[rstest]
    #[case("2026-12-24T18:00:00Z")]
    #[case("2026-12-24t18:00:00z")]
    #[case("2026-12-24 18:00:00Z")]
    #[case("2026-12-24T18:00:00.000000000Z")]
    #[case("2026-12-24T23:30:00+05:30")]
    #[case("2026-12-24T15:00:00-03:00")]
    fn a_time_is_read_to_the_second_with_any_offset(#[case] written: &str) {
        assert_eq!(Timestamp::parse(written), Some(Timestamp::from_secs(1_798_135_200)));
    }

    #[rstest]
    #[case("yesterday")]
    #[case("")]
    #[case("2026-12-24")]
    #[case("2026-12-24T18:00:00")]
    #[case("2026-12-24 18:00")]
    #[case("2026-12-24T18:00Z")]
    #[case("2026-12-24T24:00:00Z")]
    #[case("2026-12-24T18:00:00+25:00")]
    #[case("2026-12-24T18:00:00+0530")]
    #[case("2026-12-24T18:00:00 05:30")]
    #[case("2026-12-24T18:00:00+05:30Z")]
    #[case("2026-12-24T18:00:00Z ")]
    #[case(" 2026-12-24T18:00:00Z")]
    #[case("2026-12-24118:00:00Z")]
    #[case("2026-12-24x18:00:00Z")]
    #[case("2026-12-24?18:00:00Z")]
    #[case("2026-12-24  18:00:00Z")]
    #[case("2026-12-24T18:00:00.Z")]
    #[case("2026-13-24T18:00:00Z")]
    #[case("1784242880")]
    fn a_bad_time_is_refused(#[case] written: &str) {
        assert_eq!(Timestamp::parse(written), None);
    }
}
