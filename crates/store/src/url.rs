//! The database's URL: read once, strictly, and shown without its secrets.
//!
//! A URL holds a password, and one with a raw `@ : / ? # %` in the password falls apart at the wrong places: its head
//! is then the host, its tail a parameter. So an error says nothing that stood in the URL: every sentence is fixed. What
//! [`DatabaseUrl`] shows is the kind, the host, the port and the database of a URL that could be read as a whole.

mod postgres;
mod sqlite;
#[cfg(test)]
mod tests;

use std::{fmt, path::Path, str::FromStr};

use percent_encoding::percent_decode_str;
use waypost_domain::spelling::nearest;

pub(crate) use postgres::Postgres;
pub(crate) use sqlite::Sqlite;

/// Where the database is, and how to get in. Shows no user, no password and no parameter, in [`Debug`] either.
#[derive(Clone)]
pub struct DatabaseUrl(pub(crate) Place);

/// Either kind.
#[derive(Clone)]
pub(crate) enum Place {
    Sqlite(Sqlite),
    Postgres(Box<Postgres>),
}

/// Why a URL names no database. No sentence holds a word of the URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It is of no kind that is known.
    #[error("must start with sqlite:// or postgres://")]
    Kind,
    /// A part cannot be read.
    #[error("{0}: percent-encode @ : / ? # % in user and password")]
    Part(&'static str),
    /// A parameter that is not known.
    #[error("has a parameter that is not known{}. Known are {known}", meant(*.nearest))]
    Unknown {
        /// What was probably meant.
        nearest: Option<&'static str>,
        /// All there are.
        known: &'static str,
    },
    /// A parameter's value is wrong.
    #[error("has a parameter {name} that {why}")]
    Parameter {
        /// Which.
        name: &'static str,
        /// What is wrong.
        why: &'static str,
    },
    /// SQLite without a file.
    #[error("names a database in memory, which keeps no promise: name a file")]
    InMemory,
}

fn meant(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

impl DatabaseUrl {
    /// The SQLite database in this file.
    pub fn sqlite(path: &Path) -> Self {
        Self(Place::Sqlite(Sqlite { path: path.to_owned(), create: true }))
    }

    /// Whether what is said to the database passes a network without anybody having made sure who answers there: a
    /// server on another machine whose certificate is not verified.
    pub fn is_unverified(&self) -> bool {
        match &self.0 {
            Place::Sqlite(_) => false,
            Place::Postgres(postgres) => postgres.is_unverified(),
        }
    }
}

impl FromStr for DatabaseUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let rest = |schemes: &[&str]| schemes.iter().find_map(|scheme| text.strip_prefix(scheme));
        if let Some(rest) = rest(&["sqlite://", "sqlite:"]) {
            return sqlite::read(rest).map(Place::Sqlite).map(Self);
        }
        let rest = rest(&["postgres://", "postgresql://"]).ok_or(UrlError::Kind)?;
        postgres::read(rest).map(Box::new).map(Place::Postgres).map(Self)
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Sqlite(sqlite) => write!(f, "SQLite at {}", sqlite.path.display()),
            Place::Postgres(postgres) => write!(f, "PostgreSQL at {postgres}"),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

/// A part with its percent-encoding undone.
fn decoded(part: &str) -> Result<String, UrlError> {
    let mut bytes = part.bytes();
    while let Some(byte) = bytes.next() {
        let is_whole = byte != b'%' || (0..2).all(|_| bytes.next().is_some_and(|digit| digit.is_ascii_hexdigit()));
        if !is_whole {
            return Err(UrlError::Part("has a % without two hex digits after it"));
        }
    }
    let text =
        percent_decode_str(part).decode_utf8().map_err(|_| UrlError::Part("has encoded bytes that are no text"))?;
    if text.chars().any(char::is_control) {
        return Err(UrlError::Part("has an encoded control character"));
    }
    Ok(text.into_owned())
}

/// The parameters behind the `?`: known ones alone, each once, in the order in which they were written.
fn parameters(
    query: Option<&str>,
    known: &'static [&'static str],
    all: &'static str,
) -> Result<Vec<(&'static str, String)>, UrlError> {
    let mut found: Vec<(&'static str, String)> = Vec::new();
    for pair in query.into_iter().flat_map(|query| query.split('&')).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let Some(name) = known.iter().find(|known| **known == name) else {
            return Err(UrlError::Unknown { nearest: nearest(name, known.iter().copied()), known: all });
        };
        let refused = |why| Err(UrlError::Parameter { name, why });
        if found.iter().any(|(earlier, _)| earlier == name) {
            return refused("is there twice");
        }
        if value.contains('+') {
            return refused("has a + in it: write %20 for a blank, %2B for a plus");
        }
        let value = decoded(value)?;
        if value.is_empty() {
            return refused("has no value");
        }
        found.push((name, value));
    }
    Ok(found)
}
