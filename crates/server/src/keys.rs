//! The server's own two keys: the master key, which encrypts secrets at rest, and the key that signs access tokens.
//!
//! A key is given by the configuration, or kept in a file of the data folder, made at the first start. It is on disk
//! before it is used: what a lost master key has encrypted is lost.

use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use secrecy::ExposeSecret;
use waypost_domain::Env;
use zeroize::Zeroizing;

use crate::{
    config::{sections::KeySource, values},
    data_dir::{DataDir, warn_if_others_may_read},
};

/// A key.
pub type Key = Zeroizing<[u8; 32]>;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or made.
    #[error("cannot {what} the key file {path}: {why}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        why: std::io::Error,
    },
    /// The file holds no key.
    #[error("the key file {path} {why}. Restore it from a backup: what was encrypted with it needs it")]
    NoKey {
        /// The file.
        path: PathBuf,
        /// What it must be.
        why: String,
    },
    /// There is none, and a new one would open nothing.
    #[error(
        "there is no master key at {path}, and the secrets in the database were encrypted under another master key than a new one. Put {name} back from a backup, or give that key with WAYPOST_MASTER_KEY or WAYPOST_MASTER_KEY_FILE. No key was made"
    )]
    Missing {
        /// Where it would have been made.
        path: PathBuf,
        /// The file's name.
        name: String,
    },
    /// One value for two purposes.
    #[error(
        "the master key and the token key are the same: give each its own, as a leak of one is then not one of both"
    )]
    Same,
}

/// What a file that is not there means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// This is the first start: a key is made.
    Make,
    /// There are secrets already that need the key.
    Refuse,
}

/// The key that `source` says; without one, the key in the file `name` of the data folder, made if it may be.
pub fn load(source: &KeySource, folder: &DataDir, name: &str, absent: Absent, env: &Env) -> Result<Key, KeyError> {
    if let Some(given) = &source.given {
        return Ok(values::key(given.expose_secret()).expect("the configuration has read it as a key"));
    }
    if let Some(path) = &source.file {
        return read(path);
    }
    let path = folder.join(name);
    match path.try_exists() {
        Ok(true) => read(&path),
        Ok(false) if absent == Absent::Refuse => Err(KeyError::Missing { path, name: name.to_owned() }),
        Ok(false) => make(&path, env).map_err(|why| KeyError::Io { what: "make", path, why }),
        Err(why) => Err(KeyError::Io { what: "read", path, why }),
    }
}

fn read(path: &Path) -> Result<Key, KeyError> {
    let bytes = std::fs::read(path).map(Zeroizing::new);
    let bytes = bytes.map_err(|why| KeyError::Io { what: "read", path: path.to_owned(), why })?;
    warn_if_others_may_read(path);
    if let Ok(raw) = <[u8; 32]>::try_from(bytes.as_slice()) {
        return Ok(Zeroizing::new(raw));
    }
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    values::key(text).map_err(|why| KeyError::NoKey { path: path.to_owned(), why })
}

/// Writes a fresh key beside its place and moves it there once it is on disk, so that no crash leaves half a key.
fn make(path: &Path, env: &Env) -> std::io::Result<Key> {
    let key = Zeroizing::new(env.bytes::<32>());
    let draft = path.with_extension("new");
    match std::fs::remove_file(&draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&draft)?;
    file.write_all(values::write_key(&key).as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    std::fs::rename(&draft, path)?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    tracing::info!(path = %path.display(), "made a key; back it up with the database");
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use secrecy::SecretString;

    use super::*;

    const NOWHERE: KeySource = KeySource { given: None, file: None };

    fn folder() -> (tempfile::TempDir, DataDir) {
        let root = tempfile::tempdir().unwrap();
        let folder = DataDir::open(root.path()).unwrap();
        (root, folder)
    }

    #[test]
    fn a_key_is_made_at_the_first_start_for_its_owner_alone_and_stays() {
        let (_root, folder) = folder();
        let first = load(&NOWHERE, &folder, "master.key", Absent::Make, &Env::system()).unwrap();
        let again = load(&NOWHERE, &folder, "master.key", Absent::Make, &Env::system()).unwrap();
        assert_eq!(first, again);
        assert_ne!(first, load(&NOWHERE, &folder, "token.key", Absent::Make, &Env::system()).unwrap());
        assert_eq!(std::fs::metadata(folder.join("master.key")).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn no_key_is_made_beside_secrets_that_need_another() {
        let (_root, folder) = folder();
        let refusal = load(&NOWHERE, &folder, "master.key", Absent::Refuse, &Env::system()).unwrap_err();
        assert!(refusal.to_string().contains("Put master.key back"), "{refusal}");
        assert!(!folder.join("master.key").exists());
    }

    #[test]
    fn a_given_key_is_taken_and_no_file_is_made() {
        let (_root, folder) = folder();
        let given = KeySource { given: Some(SecretString::from("ab".repeat(32))), file: None };
        assert_eq!(*load(&given, &folder, "master.key", Absent::Make, &Env::system()).unwrap(), [0xab; 32]);
        assert!(!folder.join("master.key").exists());
    }

    #[test]
    fn a_key_file_may_hold_text_or_bare_bytes() {
        let (_root, folder) = folder();
        let path = folder.join("given");
        let source = KeySource { given: None, file: Some(path.clone()) };
        for contents in [vec![0xab; 32], "ab".repeat(32).into_bytes(), format!("{}\n", "AB".repeat(32)).into_bytes()] {
            std::fs::write(&path, contents).unwrap();
            assert_eq!(*load(&source, &folder, "master.key", Absent::Make, &Env::system()).unwrap(), [0xab; 32]);
        }
    }

    #[test]
    fn a_broken_or_missing_key_file_is_refused_and_never_replaced() {
        let (_root, folder) = folder();
        std::fs::write(folder.join("master.key"), "half a k").unwrap();
        let refusal = load(&NOWHERE, &folder, "master.key", Absent::Make, &Env::system()).unwrap_err();
        assert!(matches!(refusal, KeyError::NoKey { .. }), "{refusal}");
        assert_eq!(std::fs::read(folder.join("master.key")).unwrap(), b"half a k");

        let elsewhere = KeySource { given: None, file: Some(folder.join("nowhere")) };
        let refusal = load(&elsewhere, &folder, "master.key", Absent::Make, &Env::system()).unwrap_err();
        assert!(matches!(refusal, KeyError::Io { .. }), "{refusal}");
        assert!(!folder.join("nowhere").exists());
    }
}
