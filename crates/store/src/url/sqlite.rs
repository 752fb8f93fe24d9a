//! `sqlite://PATH?mode=rwc`.

use std::path::PathBuf;

use super::{UrlError, decoded, parameters};

/// A database in a file.
#[derive(Clone)]
pub(crate) struct Sqlite {
    pub path: PathBuf,
    /// Whether it is made if it is not there.
    pub create: bool,
}

pub(super) fn read(rest: &str) -> Result<Sqlite, UrlError> {
    let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
    let path = decoded(path)?;
    if path.is_empty() {
        return Err(UrlError::Part("has no path"));
    }
    let mode = parameters(query, &["mode"], "mode")?.pop().map(|(_, mode)| mode);
    let create = match mode.as_deref() {
        None | Some("rwc") => true,
        Some("rw") => false,
        Some("memory") => return Err(UrlError::InMemory),
        Some(_) => return Err(UrlError::Parameter { name: "mode", why: "must be rwc or rw" }),
    };
    if path.contains(":memory:") {
        return Err(UrlError::InMemory);
    }
    Ok(Sqlite { path: PathBuf::from(path), create })
}
