//! How values are written. A [`Form`] reads one, and [`As`] makes a field of it: in a section, or in a table that
//! stands in one.

use std::{fmt, marker::PhantomData, num::NonZeroU32, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, de::Error as _};

use super::values;

/// How a value is written, and what it means.
pub trait Form: 'static {
    /// What it means.
    type Value: Clone + fmt::Debug + Send + Sync + 'static;

    /// Reads it. The error is the end of a sentence that begins with the setting's name: "must be …". It never repeats
    /// the text, which may be a secret.
    fn read(text: &str) -> Result<Self::Value, String>;
}

/// A value that is written in the form `F`: as text, or in a file also as a number or a boolean.
pub struct As<F: Form>(pub F::Value);

impl<F: Form> Clone for As<F> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<F: Form> fmt::Debug for As<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<F: Form> FromStr for As<F> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        F::read(text).map(Self)
    }
}

impl<'de, F: Form> Deserialize<'de> for As<F> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(boolean) => boolean.to_string(),
            _ => return Err(D::Error::custom("must be a string, a number or a boolean")),
        };
        text.parse().map_err(D::Error::custom)
    }
}

/// What reads itself, with sentences of its own.
pub struct Plain<T>(PhantomData<T>);

impl<T: FromStr<Err: fmt::Display> + Clone + fmt::Debug + Send + Sync + 'static> Form for Plain<T> {
    type Value = T;

    fn read(text: &str) -> Result<T, String> {
        text.parse().map_err(|error: T::Err| error.to_string())
    }
}

/// Values that have names.
pub trait Named: Copy + PartialEq + 'static {
    /// Each with its name.
    const NAMES: &'static [(&'static str, Self)];
}

impl Named for bool {
    const NAMES: &'static [(&'static str, Self)] = &[("true", true), ("false", false)];
}

/// The name of one of these values.
pub fn name<T: Named>(value: T) -> &'static str {
    T::NAMES.iter().find(|(_, named)| *named == value).map_or("", |(name, _)| *name)
}

/// One of a few names.
pub struct OneOf<T>(PhantomData<T>);

impl<T: Named + fmt::Debug + Send + Sync> Form for OneOf<T> {
    type Value = T;

    fn read(text: &str) -> Result<T, String> {
        let found = T::NAMES.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
        found.ok_or_else(|| {
            let names: Vec<&str> = T::NAMES.iter().map(|(name, _)| *name).collect();
            let (last, others) = names.split_last().unwrap_or((&"", &[]));
            format!("must be {} or {last}", others.join(", "))
        })
    }
}

/// A whole number within the bounds, both included.
pub struct Number<N, const LEAST: u64, const MOST: u64>(PhantomData<N>);

impl<N, const LEAST: u64, const MOST: u64> Form for Number<N, LEAST, MOST>
where
    N: TryFrom<u64> + Clone + fmt::Debug + Send + Sync + 'static,
{
    type Value = N;

    fn read(text: &str) -> Result<N, String> {
        let number = text.parse().ok().filter(|number| (LEAST..=MOST).contains(number));
        let number = number.and_then(|number| N::try_from(number).ok());
        number.ok_or_else(|| format!("must be a whole number from {LEAST} to {MOST}"))
    }
}

/// [`u32::MAX`] as a bound of a [`Number`].
pub const MOST_U32: u64 = 0xffff_ffff;

/// A number, of which 0 says that there is no limit.
pub struct Limit;

impl Form for Limit {
    type Value = Option<NonZeroU32>;

    fn read(text: &str) -> Result<Self::Value, String> {
        Number::<u32, 0, MOST_U32>::read(text).map(NonZeroU32::new)
    }
}

/// A number that is not zero.
pub struct Positive;

impl Form for Positive {
    type Value = NonZeroU32;

    fn read(text: &str) -> Result<NonZeroU32, String> {
        Number::<u64, 1, MOST_U32>::read(text)
            .map(|number| u32::try_from(number).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN))
    }
}

/// A duration: a number with a unit.
pub struct Span;

impl Form for Span {
    type Value = Duration;

    fn read(text: &str) -> Result<Duration, String> {
        values::duration(text)
    }
}

/// A duration that is not zero.
pub struct Lasting;

impl Form for Lasting {
    type Value = Duration;

    fn read(text: &str) -> Result<Duration, String> {
        values::duration(text)
            .and_then(|found| if found.is_zero() { Err("must not be zero".to_owned()) } else { Ok(found) })
    }
}

/// A duration of so many seconds at most, in units of so many milliseconds.
pub struct Units<const UNIT_MS: u64, const MOST_SECS: u64>;

impl<const UNIT_MS: u64, const MOST_SECS: u64> Form for Units<UNIT_MS, MOST_SECS> {
    type Value = u32;

    fn read(text: &str) -> Result<u32, String> {
        let units = values::duration(text)?.as_millis() / u128::from(UNIT_MS);
        let units = u32::try_from(units).ok().filter(|units| u64::from(*units) * UNIT_MS <= MOST_SECS * 1000);
        units.ok_or_else(|| format!("must be {MOST_SECS} s at most"))
    }
}

/// A number of bytes with a unit.
pub struct Size;

impl Form for Size {
    type Value = u64;

    fn read(text: &str) -> Result<u64, String> {
        values::size(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_bounds() {
        type Few = Number<u32, 1, 100>;
        assert_eq!(Few::read("1"), Ok(1));
        assert_eq!(Few::read("0"), Err("must be a whole number from 1 to 100".to_owned()));
        assert!(Few::read("many").is_err() && Few::read("101").is_err() && Few::read("-1").is_err());
        assert!(Number::<u8, 0, 1000>::read("256").is_err());
        assert!(Positive::read("0").is_err());
        assert_eq!(Limit::read("0"), Ok(None));
        assert_eq!(Limit::read("7"), Ok(NonZeroU32::new(7)));
    }

    #[test]
    fn durations_keep_their_bounds() {
        assert!(Lasting::read("0ms").is_err());
        assert_eq!(Units::<1000, 60>::read("1m"), Ok(60));
        assert_eq!(Units::<1000, 60>::read("61s"), Err("must be 60 s at most".to_owned()));
    }

    #[test]
    fn a_name_is_one_of_those_there_are() {
        assert_eq!(OneOf::<bool>::read(name(true)), Ok(true));
        assert_eq!(OneOf::<bool>::read("maybe"), Err("must be true or false".to_owned()));
    }
}
