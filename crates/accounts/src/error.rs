//! What a use case answers if it cannot do what was asked. `api` maps each to a status, a code and a sentence in one
//! table.

use std::time::Duration;

use waypost_store::{NoTurn, StoreError};

use crate::limits;

/// Why a use case did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// The credential is missing, wrong, expired or revoked. The sentence is public.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// Nobody may register, or somebody came first.
    #[error("registration is closed")]
    RegistrationClosed,
    /// Another account has the e-mail.
    #[error("the e-mail is in use")]
    EmailInUse,
    /// A new API key would have expired already.
    #[error("the expiry of an API key lies in the past")]
    ExpiryInThePast,
    /// The tenant has no such API key.
    #[error("no such API key")]
    NoSuchApiKey,
    /// Too many attempts; try again after so many seconds.
    #[error("rate limited for {0} s")]
    RateLimited(u32),
    /// The database cannot be reached or cannot write, which may pass. The cause is for the log.
    #[error("{0}")]
    DatabaseUnavailable(String),
    /// Ours. The cause is for the log.
    #[error("internal error: {0}")]
    Internal(String),
}

impl AccountsError {
    /// The answer to who has to wait: whole seconds, one at least.
    pub(crate) fn rate_limited(wait: Duration) -> Self {
        Self::RateLimited(limits::seconds(wait))
    }
}

impl From<StoreError> for AccountsError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::DatabaseUnavailable(error.to_string()),
            error => Self::Internal(error.to_string()),
        }
    }
}

impl From<NoTurn> for AccountsError {
    fn from(too_many: NoTurn) -> Self {
        Self::RateLimited(too_many.retry_after_secs)
    }
}
