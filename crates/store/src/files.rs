//! Files that are ours alone: SQLite's database, the files it keeps beside it, and the lock of the process that has it.
//!
//! A server that finds out later that it cannot write would have accepted what it cannot keep. So before anything is
//! opened every file that is there belongs to this process's user and can be written by it. Files are looked at by their
//! names and never opened for it: to close one that SQLite has open would take SQLite's own locks from this process
//! (<https://www.sqlite.org/howtocorrupt.html>, 2.2).

use std::{
    ffi::OsString,
    fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};

use crate::url::Sqlite;

/// What SQLite keeps beside a database, by the end of its name.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// The end of the name of the lock file.
const LOCK: &str = ".lock";

/// How much of a lock file is read: it says in a few words who has the lock.
const MAX_HOLDER: u64 = 200;

/// Why files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refuses.
    #[error("cannot {what} {}: {why}", .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        why: std::io::Error,
    },
    /// Somebody else owns some of them.
    #[error("{}", foreign(.paths, *.owner, *.us))]
    Foreign {
        /// Which files.
        paths: Vec<PathBuf>,
        /// The owner of the first.
        owner: u32,
        /// The user of this process.
        us: u32,
    },
    /// This user may not write.
    #[error("{}", closed(.path, *.owner, *.us, .why))]
    Closed {
        /// What.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// The user of this process.
        us: u32,
        /// What the system said.
        why: std::io::Error,
    },
    /// Another process has the lock.
    #[error("another waypost uses the database {}: {holder}. One process has a database at a time: stop that one first", .path.display())]
    InUse {
        /// The database.
        path: PathBuf,
        /// Who.
        holder: String,
    },
}

fn foreign(paths: &[PathBuf], owner: u32, us: u32) -> String {
    let first = paths.first().map(|path| path.display().to_string()).unwrap_or_default();
    format!(
        "{first} belongs to uid {owner}, and this process runs as uid {us}: it could not go on writing there. Run as root: chown {us}{}",
        quoted(paths)
    )
}

fn closed(path: &PathBuf, owner: u32, us: u32, why: &std::io::Error) -> String {
    let mend = if owner == us { "chmod u+rwX" } else { &format!("chown {us}") };
    format!(
        "{} belongs to uid {owner} and cannot be written by uid {us}, as which this process runs ({why}). Run as root: {mend}{}",
        path.display(),
        quoted(std::slice::from_ref(path))
    )
}

/// The paths as a shell reads them, a blank before each.
fn quoted(paths: &[PathBuf]) -> String {
    let is_plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    paths.iter().fold(String::new(), |all, path| match path.display().to_string() {
        plain if is_plain(&plain) => format!("{all} {plain}"),
        other => format!("{all} '{}'", other.replace('\'', r"'\''")),
    })
}

/// Sees that each of `paths` that is there belongs to this process's user.
///
/// # Errors
/// [`FileError::Foreign`].
pub fn check_owner(paths: &[PathBuf]) -> Result<(), FileError> {
    let us = rustix::process::geteuid().as_raw();
    let owner = |path: &PathBuf| std::fs::metadata(path).ok().map(|found| found.uid()).filter(|owner| *owner != us);
    let foreign: Vec<(&PathBuf, u32)> = paths.iter().filter_map(|path| Some((path, owner(path)?))).collect();
    match foreign.first() {
        None => Ok(()),
        Some((_, owner)) => {
            let paths = foreign.iter().map(|(path, _)| (*path).clone()).collect();
            Err(FileError::Foreign { paths, owner: *owner, us })
        }
    }
}

/// Sees that each of `paths` that is there belongs to this process's user and can be written.
///
/// # Errors
/// [`FileError::Foreign`] and [`FileError::Closed`].
pub fn check_own(paths: &[PathBuf]) -> Result<(), FileError> {
    check_owner(paths)?;
    let us = rustix::process::geteuid().as_raw();
    let there = paths.iter().filter(|path| path.exists());
    there.into_iter().try_for_each(|path| check_writable(path, us, Access::READ_OK | Access::WRITE_OK))
}

/// Sees that files can be made in `folder`, whoever owns it: a volume is often its group's.
///
/// # Errors
/// [`FileError::Closed`], and [`FileError::Io`] if it is not there.
pub fn check_folder(folder: &Path) -> Result<(), FileError> {
    let found = std::fs::metadata(folder);
    let owner = found.map_err(|why| FileError::Io { what: "find", path: folder.to_owned(), why })?.uid();
    check_writable(folder, owner, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK)
}

fn check_writable(path: &Path, owner: u32, wanted: Access) -> Result<(), FileError> {
    let us = rustix::process::geteuid().as_raw();
    access(path, wanted).map_err(|why| FileError::Closed { path: path.to_owned(), owner, us, why: why.into() })
}

/// SQLite's database, this process's alone until it is dropped.
#[derive(Debug)]
pub(crate) struct OwnDatabase {
    /// Where it is, with every symbolic link followed: two names of one file are one database.
    pub path: PathBuf,
    _lock: FileLock,
}

impl OwnDatabase {
    /// Makes the file if it may and is not there, and its folder; locks it; takes others' right to read it and what
    /// SQLite keeps beside it. Whoever does not get the lock has changed nothing.
    pub fn take(database: &Sqlite) -> Result<Self, FileError> {
        let failed = |what, path: &Path| {
            let path = path.to_owned();
            move |why| FileError::Io { what, path, why }
        };
        let given = &database.path;
        if database.create && !given.try_exists().map_err(failed("find", given))? {
            let folder = given.parent().filter(|folder| !folder.as_os_str().is_empty());
            if let Some(folder) = folder {
                DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed("make", folder))?;
                check_folder(folder)?;
            }
            let made = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(given);
            made.map_err(failed("make", given))?;
        }
        let path = given.canonicalize().map_err(failed("find", given))?;
        let files: Vec<PathBuf> = ["", LOCK].into_iter().chain(BESIDE).map(|end| beside(&path, end)).collect();
        check_own(&files)?;
        if let Some(folder) = path.parent() {
            check_folder(folder)?;
        }
        let lock = FileLock::take(&beside(&path, LOCK), &path)?;
        for file in files.iter().filter(|file| std::fs::metadata(file).is_ok_and(|found| found.mode() & 0o077 != 0)) {
            std::fs::set_permissions(file, Permissions::from_mode(0o600)).map_err(failed("close", file))?;
            tracing::info!(path = %file.display(), "other users could read this file; it is its owner's alone now");
        }
        Ok(Self { path, _lock: lock })
    }
}

/// The file whose name is that of `path` with `end` behind it.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    PathBuf::from(name)
}

/// A lock that the system holds for this process, and gives up with it, however it ends. It is on a file of its own.
#[derive(Debug)]
struct FileLock {
    _file: File,
}

impl FileLock {
    fn take(path: &Path, database: &Path) -> Result<Self, FileError> {
        let failed = |what| move |why| FileError::Io { what, path: path.to_owned(), why };
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(path)
            .map_err(failed("open"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(why)) => return Err(failed("lock")(why)),
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Whoever has the lock may be about to write its name.
                let _ = (&file).take(MAX_HOLDER).read_to_string(&mut holder);
                return Err(FileError::InUse { path: database.to_owned(), holder: shown(&holder) });
            }
        }
        let name = format!("{}\n", this_process());
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(name.as_bytes()))
            .map_err(failed("write"))?;
        Ok(Self { _file: file })
    }
}

fn shown(holder: &str) -> String {
    let holder: String = holder.trim().chars().filter(|c| !c.is_control()).collect();
    if holder.is_empty() { "it does not say which".to_owned() } else { holder }
}

/// This process, for whoever finds its lock.
pub(crate) fn this_process() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("process {} on {host}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sqlite(path: PathBuf) -> Sqlite {
        Sqlite { path, create: true }
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn one_file_is_one_database_by_whatever_name_and_until_it_is_let_go() {
        let root = tempfile::tempdir().unwrap();
        let (path, link) = (root.path().join("a/waypost.db"), root.path().join("link.db"));
        let first = OwnDatabase::take(&sqlite(path.clone())).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        for other in [path.clone(), link.clone(), root.path().join("a/../a/waypost.db")] {
            let refusal = OwnDatabase::take(&sqlite(other)).unwrap_err().to_string();
            assert!(refusal.contains("another waypost uses the database"), "{refusal}");
            assert!(refusal.contains(&this_process()), "{refusal}");
        }
        drop(first);
        assert_eq!(OwnDatabase::take(&sqlite(link)).unwrap().path, path.canonicalize().unwrap());
    }

    #[test]
    fn the_files_are_their_owners_alone_and_so_is_a_folder_that_was_made() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("new/waypost.db");
        drop(OwnDatabase::take(&sqlite(path.clone())).unwrap());
        assert_eq!((mode(path.parent().unwrap()), mode(&path), mode(&beside(&path, LOCK))), (0o700, 0o600, 0o600));
        for end in ["", "-wal", "-shm"] {
            std::fs::write(beside(&path, end), "").unwrap();
            std::fs::set_permissions(beside(&path, end), Permissions::from_mode(0o644)).unwrap();
        }
        std::fs::set_permissions(root.path(), Permissions::from_mode(0o755)).unwrap();
        drop(OwnDatabase::take(&sqlite(path.clone())).unwrap());
        for end in ["", "-wal", "-shm"] {
            assert_eq!(mode(&beside(&path, end)), 0o600, "{end}");
        }
        assert_eq!(mode(root.path()), 0o755, "a folder that was there is not ours to close");
    }

    #[test]
    fn a_file_of_somebody_elses_is_refused_with_owner_user_and_the_command_that_mends_it() {
        let us = rustix::process::geteuid().as_raw();
        let refusal = FileError::Foreign {
            paths: vec![PathBuf::from("/srv/waypost.db-wal"), PathBuf::from("/srv/it's/x")],
            owner: 4242,
            us,
        };
        let expected = format!("chown {us} /srv/waypost.db-wal '/srv/it'\\''s/x'");
        assert!(
            refusal.to_string().contains("belongs to uid 4242") && refusal.to_string().ends_with(&expected),
            "{refusal}"
        );
    }

    #[test]
    fn a_file_that_may_not_be_written_is_refused_before_anything_is_changed() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("waypost.db");
        drop(OwnDatabase::take(&sqlite(path.clone())).unwrap());
        let wal = beside(&path, "-wal");
        std::fs::write(&wal, "").unwrap();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&wal, Some(54_321), None).unwrap();
        } else {
            std::fs::set_permissions(&wal, Permissions::from_mode(0o400)).unwrap();
        }
        let refusal = OwnDatabase::take(&sqlite(path)).unwrap_err().to_string();
        assert!(refusal.contains(&wal.display().to_string()) && refusal.contains("Run as root: ch"), "{refusal}");
    }

    #[test]
    fn a_database_that_may_not_be_made_is_named() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("nowhere.db");
        let refusal = OwnDatabase::take(&Sqlite { path: path.clone(), create: false }).unwrap_err();
        assert!(refusal.to_string().contains("cannot find") && !path.exists(), "{refusal}");
    }
}
