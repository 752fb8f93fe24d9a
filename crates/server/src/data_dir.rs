//! The data folder: the owner's alone, and one process's at a time.

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use waypost_store::files::{FileError, check_folder, check_own, check_owner};

/// The file that is locked while a process uses the folder.
const LOCK: &str = "waypost.lock";

/// The file of the master key.
pub const MASTER_KEY: &str = "master.key";

/// The file of the token key.
pub const TOKEN_KEY: &str = "token.key";

/// The SQLite database.
pub const DATABASE: &str = "waypost.db";

/// What SQLite keeps beside the database, and the lock on it.
const BESIDE_DATABASE: [&str; 4] = ["-wal", "-shm", "-journal", ".lock"];

/// Why the data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// The system refuses.
    #[error("cannot {what} {path}: {why}. Check that the folder can be written, or name another with WAYPOST_DATA_DIR")]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        why: std::io::Error,
    },
    /// Files in it, or the folder itself, are not this user's.
    #[error(transparent)]
    NotOurs(#[from] FileError),
    /// Another process uses it.
    #[error(
        "another waypost uses the data folder {path}. Stop it first, or give this one another folder with WAYPOST_DATA_DIR"
    )]
    InUse {
        /// The folder.
        path: PathBuf,
    },
}

/// The data folder, locked until this is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Makes the folder where it is not there, and locks it.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let failed = |what, path: &Path| {
            let path = path.to_owned();
            move |why| DataDirError::Io { what, path, why }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed("make", path))?;
        let path = path.canonicalize().map_err(failed("find", path))?;
        check_folder(&path)?;
        // All at once, so that they are mended at once. A key is only read.
        let of_database = BESIDE_DATABASE.map(|end| format!("{DATABASE}{end}"));
        let written = [LOCK, DATABASE].into_iter().chain(of_database.iter().map(String::as_str));
        let written: Vec<PathBuf> = written.map(|name| path.join(name)).collect();
        check_owner(&[written.as_slice(), &[path.join(MASTER_KEY), path.join(TOKEN_KEY)]].concat())?;
        check_own(&written)?;
        warn_if_others_may_read(&path);
        let lock_path = path.join(LOCK);
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock_path)
            .map_err(failed("open", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(DataDirError::InUse { path }),
            Err(TryLockError::Error(why)) => Err(DataDirError::Io { what: "lock", path: lock_path, why }),
        }
    }

    /// The path of a file in the folder, absolute.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// Warns where others than the owner may read a file or folder. Returns whether it did.
pub fn warn_if_others_may_read(path: &Path) -> bool {
    let others = std::fs::metadata(path).is_ok_and(|metadata| metadata.mode() & 0o077 != 0);
    if others {
        tracing::warn!(path = %path.display(), "other users of this machine may read secrets here; take their rights (chmod go= {})", path.display());
    }
    others
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_folder_is_made_for_its_owner_alone() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("new/data");
        DataDir::open(&path).unwrap();
        for made in [&path, path.parent().unwrap()] {
            assert_eq!(std::fs::metadata(made).unwrap().mode() & 0o777, 0o700);
        }
        assert!(!warn_if_others_may_read(&path));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(warn_if_others_may_read(&path));
    }

    #[test]
    fn a_folder_in_use_is_refused_until_it_is_free() {
        let root = tempfile::tempdir().unwrap();
        let first = DataDir::open(root.path()).unwrap();
        let refusal = DataDir::open(root.path()).unwrap_err();
        assert!(matches!(refusal, DataDirError::InUse { .. }), "{refusal}");
        drop(first);
        DataDir::open(root.path()).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let refusal = DataDir::open(&file.path().join("data")).unwrap_err().to_string();
        assert!(refusal.contains("cannot make") && refusal.contains("WAYPOST_DATA_DIR"), "{refusal}");
    }
}
