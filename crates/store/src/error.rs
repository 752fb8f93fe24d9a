//! What can go wrong in the database.

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
    /// Anything else.
    #[error("database error: {0}")]
    Other(String),
}
