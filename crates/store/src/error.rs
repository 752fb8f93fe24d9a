//! What can go wrong in the database.

use sea_orm::{DbErr, RuntimeErr, SqlErr};

/// A failure of the database. Its cause is for the log, never for a caller.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// A row with the same unique value is there already.
    #[error("duplicate {what}")]
    Duplicate {
        /// Which value: `email`, …
        what: &'static str,
    },
    /// The database cannot be reached, is full, or is shutting down. Trying again later may help.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// A row says something that this version does not understand, or cannot be decrypted.
    #[error("corrupt row in {table}: {why}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// What is wrong with it; no contents.
        why: String,
    },
    /// The database was made before the first release.
    #[error(
        "this database was made before the first release of Waypost, and no version can take it over: start with a new \
         one (move the file away, or name another database)"
    )]
    BeforeTheFirstRelease,
    /// Anything else.
    #[error("database error: {0}")]
    Other(String),
}

impl StoreError {
    /// What is asked of a store that was closed.
    pub(crate) fn closed() -> Self {
        Self::Unavailable("the store is closed".to_owned())
    }

    /// What is to be written while the lock on the database is away, or another process's.
    pub(crate) fn not_ours() -> Self {
        Self::Unavailable("the lock that makes the database this process's own is not held".to_owned())
    }

    /// There is no connection.
    pub(crate) fn connecting(error: &sqlx::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) {
            return Self::Duplicate { what: "row" };
        }
        let unavailable = match &error {
            DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => true,
            DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause)) => {
                is_unavailable(cause)
            }
            _ => false,
        };
        if unavailable { Self::Unavailable(error.to_string()) } else { Self::Other(error.to_string()) }
    }
}

/// Whether the fault lies with the server, its disk or the way there, so that the same statement may succeed later.
fn is_unavailable(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| code_is_unavailable(&code)),
        _ => false,
    }
}

/// SQLite gives its extended result codes in decimal (<https://www.sqlite.org/rescode.html>: the lowest byte is the
/// primary code), PostgreSQL five characters (its manual, appendix A).
fn code_is_unavailable(code: &str) -> bool {
    const SQLITE_BUSY: u32 = 5;
    const SQLITE_LOCKED: u32 = 6;
    const SQLITE_READONLY: u32 = 8;
    const SQLITE_IOERR: u32 = 10;
    const SQLITE_FULL: u32 = 13;
    const SQLITE_CANTOPEN: u32 = 14;
    if code.len() == 5 {
        // Connection, rollback of a conflict, resources and disk, intervention (an operator's, or a deadline), system error.
        return ["08", "40", "53", "57", "58"].iter().any(|class| code.starts_with(class));
    }
    code.parse::<u32>().is_ok_and(|code| {
        [SQLITE_BUSY, SQLITE_LOCKED, SQLITE_READONLY, SQLITE_IOERR, SQLITE_FULL, SQLITE_CANTOPEN]
            .contains(&(code & 0xFF))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_told_from_what_will_not() {
        // Full disk, busy, read-only file system, I/O error on fsync; connection lost, disk full, shutdown, crash, a
        // statement that took too long.
        for code in ["13", "5", "8", "1034", "08006", "53100", "57P01", "57P02", "40P01", "57014"] {
            assert!(code_is_unavailable(code), "{code}");
        }
        // Constraint, unique constraint, generic error; unique constraint, syntax.
        for code in ["19", "2067", "1", "23505", "42601"] {
            assert!(!code_is_unavailable(code), "{code}");
        }
    }
}
