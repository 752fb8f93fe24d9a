//! What a use case answers when it cannot do what was asked. `api` maps each to a status, a code and a sentence in one
//! table.

use std::collections::BTreeMap;

use waypost_engine::LinkError;
use waypost_store::{NoTurn, StoreError};

/// What is wrong with a request, by the field as the client wrote it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldErrors(pub BTreeMap<String, String>);

impl FieldErrors {
    /// One field's error.
    pub fn one(field: impl Into<String>, sentence: impl Into<String>) -> Self {
        Self(BTreeMap::from([(field.into(), sentence.into())]))
    }
}

/// Why a use case did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// A field is wrong.
    #[error("validation failed")]
    Validation(FieldErrors),
    /// A plan's limit is reached. The sentence names the meter, its use and its limit.
    #[error("{0}")]
    LimitExceeded(String),
    /// No such thing in this tenant. Carries its name: `message`, `session`, …
    #[error("no such {0}")]
    NotFound(&'static str),
    /// A duplicate, or a state that does not allow the step. The sentence says which and what to do.
    #[error("{0}")]
    Conflict(String),
    /// The `Idempotency-Key` was used before for another request.
    #[error("the idempotency key was used before for another request")]
    IdempotencyMismatch,
    /// The number has no WhatsApp account. The sentence is public.
    #[error("{0}")]
    NotOnWhatsapp(String),
    /// Too many attempts; try again after so many seconds.
    #[error("rate limited for {0} s")]
    RateLimited(u32),
    /// The session is not connected, or the network refused or did not answer. The sentence is public.
    #[error("{0}")]
    WhatsappUnavailable(String),
    /// The database cannot be reached or cannot write, which may pass. The cause is for the log.
    #[error("{0}")]
    DatabaseUnavailable(String),
    /// Something of this server's keeps it from doing that at present. The sentence is public.
    #[error("{0}")]
    NotReady(String),
    /// Ours. The cause is for the log.
    #[error("internal error: {0}")]
    Internal(String),
}

impl From<StoreError> for GatewayError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::DatabaseUnavailable(error.to_string()),
            error => Self::Internal(error.to_string()),
        }
    }
}

impl From<NoTurn> for GatewayError {
    fn from(too_many: NoTurn) -> Self {
        Self::RateLimited(too_many.retry_after_secs)
    }
}

impl From<LinkError> for GatewayError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Conflict(sentence) => Self::Conflict(sentence),
            LinkError::Unavailable(sentence) => Self::WhatsappUnavailable(sentence),
            LinkError::RateLimited { retry_after_secs } => Self::RateLimited(retry_after_secs),
            LinkError::Internal(cause) => Self::Internal(cause),
        }
    }
}
