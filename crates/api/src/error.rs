//! Every error that the API gives: status, code and sentence, in one table.
//!
//! An [`ApiError`] becomes a response without a body, which carries it along as an extension;
//! [`crate::request::answer`] writes the envelope, because only there is the request's id known. What caused an internal
//! error is logged there and never told.

use std::collections::BTreeMap;

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use waypost_accounts::AccountsError;
use waypost_gateway::{FieldErrors, GatewayError};

/// What a failed request is answered with. The table of [`ApiError::parts`] says how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ApiError {
    /// Fields of the body, the query or the path are wrong, by their names as the client wrote them.
    Validation(BTreeMap<String, String>),
    /// The credential is missing, wrong, expired or revoked.
    Unauthorized(&'static str),
    /// The role or the scopes do not allow it.
    Forbidden(String),
    /// A plan's limit is reached.
    LimitExceeded(String),
    /// No such thing in this tenant: `message`, `session`, …
    NotFound(&'static str),
    /// No such route.
    NoRoute,
    /// The route exists, but not with this method.
    MethodNotAllowed,
    /// A duplicate, or a state that does not allow the step.
    Conflict(String),
    /// The `Idempotency-Key` was used before with another body.
    IdempotencyMismatch,
    /// The body is over its limit, in bytes.
    PayloadTooLarge(usize),
    /// The body is not of a type that is read here.
    UnsupportedMediaType,
    /// The number has no WhatsApp account.
    NotOnWhatsapp(String),
    /// Too many requests; try again after so many seconds.
    RateLimited(u32),
    /// Ours. The cause is for the log.
    Internal(String),
    /// The session is not connected, or WhatsApp refused or did not answer.
    WhatsappUnavailable(String),
    /// The database does not answer or cannot write. The cause is for the log.
    NotReady(String),
    /// A limit of the server's own is reached for the moment: this one.
    Busy(&'static str),
    /// Something of this server's keeps it from that at present; the sentence says what.
    Unready(String),
}

/// After how many seconds a client may try again what a busy server turned away.
const BUSY_SECONDS: u32 = 2;

impl ApiError {
    /// One field's error.
    pub fn field(name: &str, sentence: impl Into<String>) -> Self {
        Self::Validation(BTreeMap::from([(name.to_owned(), sentence.into())]))
    }

    /// The error table: status, code, sentence.
    pub fn parts(&self) -> (StatusCode, &'static str, String) {
        use StatusCode as S;
        match self {
            Self::Validation(_) => (S::BAD_REQUEST, "VALIDATION_ERROR", "Validation failed".into()),
            Self::Unauthorized(sentence) => (S::UNAUTHORIZED, "UNAUTHORIZED", (*sentence).into()),
            Self::Forbidden(sentence) => (S::FORBIDDEN, "FORBIDDEN", sentence.clone()),
            Self::LimitExceeded(sentence) => (S::FORBIDDEN, "LIMIT_EXCEEDED", sentence.clone()),
            Self::NotFound(what) => (S::NOT_FOUND, "NOT_FOUND", format!("No such {what}")),
            Self::NoRoute => (S::NOT_FOUND, "NOT_FOUND", "No such route. See /api/docs".into()),
            Self::MethodNotAllowed => (
                S::METHOD_NOT_ALLOWED,
                "METHOD_NOT_ALLOWED",
                "The route does not take this method. The header Allow lists those it takes".into(),
            ),
            Self::Conflict(sentence) => (S::CONFLICT, "CONFLICT", sentence.clone()),
            Self::PayloadTooLarge(limit) => {
                (S::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", format!("The body is over its limit of {limit} bytes"))
            }
            Self::UnsupportedMediaType => (
                S::UNSUPPORTED_MEDIA_TYPE,
                "UNSUPPORTED_MEDIA_TYPE",
                "The body must be JSON: send the header Content-Type: application/json".into(),
            ),
            Self::IdempotencyMismatch => (
                S::UNPROCESSABLE_ENTITY,
                "IDEMPOTENCY_MISMATCH",
                "The Idempotency-Key was used before with another body. Repeat that body, or take a new key".into(),
            ),
            Self::NotOnWhatsapp(sentence) => (S::UNPROCESSABLE_ENTITY, "NOT_ON_WHATSAPP", sentence.clone()),
            Self::RateLimited(seconds) => {
                (S::TOO_MANY_REQUESTS, "RATE_LIMITED", format!("Too many requests. Try again in {seconds} s"))
            }
            Self::Internal(_) => (
                S::INTERNAL_SERVER_ERROR,
                "INTERNAL_ERROR",
                "Something went wrong on our side. The requestId names the entry in the log".into(),
            ),
            Self::WhatsappUnavailable(sentence) => (S::BAD_GATEWAY, "WHATSAPP_UNAVAILABLE", sentence.clone()),
            Self::Unready(sentence) => (S::SERVICE_UNAVAILABLE, "NOT_READY", format!("{sentence}. Try again later")),
            Self::NotReady(_) => (
                S::SERVICE_UNAVAILABLE,
                "NOT_READY",
                "The database does not answer, or cannot write because its disk is full. What was confirmed is safe; try \
                 again later"
                    .into(),
            ),
            Self::Busy(limit) => (
                S::SERVICE_UNAVAILABLE,
                "NOT_READY",
                format!("{limit}. Try again in {BUSY_SECONDS} s"),
            ),
        }
    }

    /// The cause of an error of ours, for the log.
    pub fn cause(&self) -> Option<&str> {
        match self {
            Self::Internal(cause) | Self::NotReady(cause) => Some(cause),
            _ => None,
        }
    }

    /// The body of the answer.
    pub fn envelope(&self, request_id: Uuid) -> ErrorEnvelope {
        let (_, code, message) = self.parts();
        let errors = match self {
            Self::Validation(fields) => Some(fields.clone()),
            _ => None,
        };
        ErrorEnvelope { success: false, code: code.into(), message, errors, request_id }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut headers = HeaderMap::new();
        match &self {
            Self::RateLimited(seconds) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(*seconds));
            }
            Self::Busy(_) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(BUSY_SECONDS));
            }
            Self::Unauthorized(_) => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
        let mut response = (self.parts().0, headers).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<AccountsError> for ApiError {
    fn from(error: AccountsError) -> Self {
        match error {
            AccountsError::Unauthorized(sentence) => Self::Unauthorized(sentence),
            AccountsError::RegistrationClosed => Self::Forbidden("Registration is closed on this installation".into()),
            AccountsError::EmailInUse => {
                Self::Conflict("The e-mail is in use. Log in, or register with another one".into())
            }
            AccountsError::ExpiryInThePast => Self::field("expiresAt", "Must be in the future"),
            AccountsError::NoSuchApiKey => Self::NotFound("API key"),
            AccountsError::RateLimited(seconds) => Self::RateLimited(seconds),
            AccountsError::DatabaseUnavailable(cause) => Self::NotReady(cause),
            AccountsError::Internal(cause) => Self::Internal(cause),
        }
    }
}

impl From<GatewayError> for ApiError {
    fn from(error: GatewayError) -> Self {
        match error {
            GatewayError::Validation(FieldErrors(fields)) => Self::Validation(fields),
            GatewayError::LimitExceeded(sentence) => Self::LimitExceeded(sentence),
            GatewayError::NotFound(what) => Self::NotFound(what),
            GatewayError::Conflict(sentence) => Self::Conflict(sentence),
            GatewayError::IdempotencyMismatch => Self::IdempotencyMismatch,
            GatewayError::NotOnWhatsapp(sentence) => Self::NotOnWhatsapp(sentence),
            GatewayError::RateLimited(seconds) => Self::RateLimited(seconds),
            GatewayError::WhatsappUnavailable(sentence) => Self::WhatsappUnavailable(sentence),
            GatewayError::DatabaseUnavailable(cause) => Self::NotReady(cause),
            GatewayError::NotReady(sentence) => Self::Unready(sentence),
            GatewayError::Internal(cause) => Self::Internal(cause),
        }
    }
}

/// What every failed request is answered with.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Error)]
pub(crate) struct ErrorEnvelope {
    /// `false`.
    #[schema(example = false)]
    success: bool,
    /// A stable code to act upon.
    #[schema(example = "VALIDATION_ERROR")]
    pub(crate) code: String,
    /// A sentence for people.
    #[schema(example = "Validation failed")]
    pub(crate) message: String,
    /// With `VALIDATION_ERROR` only: what is wrong with each field, by its name as the request has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<BTreeMap<String, String>>,
    /// The request's id, also in the header `X-Request-Id` and in the server's log.
    request_id: Uuid,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_table_is_the_contracts() {
        let table: Vec<_> = [
            ApiError::field("to", "Must be a string"),
            ApiError::Unauthorized("The API key is not valid"),
            ApiError::Forbidden("The API key lacks the scope messages:send".into()),
            ApiError::LimitExceeded("The plan allows 3 sessions, and 3 exist".into()),
            ApiError::NotFound("message"),
            ApiError::NoRoute,
            ApiError::MethodNotAllowed,
            ApiError::Conflict("The session is connected already".into()),
            ApiError::PayloadTooLarge(1_048_576),
            ApiError::UnsupportedMediaType,
            ApiError::IdempotencyMismatch,
            ApiError::NotOnWhatsapp("The number has no WhatsApp account. Check the number".into()),
            ApiError::RateLimited(7),
            ApiError::Internal("disk full".into()),
            ApiError::WhatsappUnavailable("The session is not connected".into()),
            ApiError::NotReady("connection refused".into()),
            ApiError::Busy("Too many bodies are on their way"),
            ApiError::Unready("The server's disk has less than 256 MiB free".into()),
        ]
        .iter()
        .map(|error| (error.parts().0.as_u16(), error.envelope(Uuid::nil())))
        .collect();
        insta::assert_json_snapshot!(table);
    }
}
