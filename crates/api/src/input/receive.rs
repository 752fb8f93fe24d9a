//! Bodies as bytes: how many, for how long, and within the budget of the process.

use std::time::Duration;

use axum::{
    body::{Bytes, HttpBody},
    extract::{DefaultBodyLimit, FromRequest, Request},
    http::StatusCode,
};
use waypost_accounts::Caller;
use waypost_domain::AddressPrefix;

use super::ClientAddress;
use crate::{
    App,
    auth::Operator,
    budget::{Held, Holder},
    error::ApiError,
};

/// How long a client with a credential may take to send a body.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long anybody else may.
const PATIENCE_WITH_STRANGERS: Duration = Duration::from_secs(10);

/// The most bytes of a body that comes without a credential: a registration has a few hundred.
const STRANGERS_BODY_LIMIT: usize = 16 * 1024;

/// A body, and its place in the budget, which is free again when this is dropped.
pub(super) struct Received {
    /// What came.
    pub bytes: Bytes,
    _held: Held,
}

/// Receives a body. Its place in the budget is taken before a byte of it is read, by the length it declares, or, if it
/// declares none, by the most it may have.
pub(super) async fn receive(mut request: Request, app: &App) -> Result<Received, ApiError> {
    let (holder, limit, patience) = terms(&request, app);
    let declared = request.body().size_hint().exact().map(|length| usize::try_from(length).unwrap_or(usize::MAX));
    if declared.is_some_and(|length| length > limit) {
        return Err(ApiError::PayloadTooLarge(limit));
    }
    let held = app.bodies.hold(holder, declared.unwrap_or(limit)).await;
    let held = held.map_err(|_| ApiError::Busy("Too many request bodies are on their way at once"))?;
    DefaultBodyLimit::max(limit).apply(&mut request);
    match tokio::time::timeout(patience, Bytes::from_request(request, app)).await {
        Ok(Ok(bytes)) => Ok(Received { bytes, _held: held }),
        Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Err(ApiError::PayloadTooLarge(limit))
        }
        Ok(Err(_)) | Err(_) => Err(ApiError::field("body", "Did not arrive whole")),
    }
}

/// Whose body it is, how long it may be and how long it may take. Credentials are looked at before bodies: whoever has
/// shown one is known here.
fn terms(request: &Request, app: &App) -> (Holder, usize, Duration) {
    let limit = app.config.json_body_limit;
    let known = request.extensions();
    if let Some(caller) = known.get::<Caller>() {
        return (Holder::Tenant(caller.tenant_id), limit, PATIENCE);
    }
    if known.get::<Operator>().is_some() {
        return (Holder::Operator, limit, PATIENCE);
    }
    let address = known.get::<ClientAddress>().and_then(|client| client.0);
    (Holder::Stranger(address.map(AddressPrefix::of)), limit.min(STRANGERS_BODY_LIMIT), PATIENCE_WITH_STRANGERS)
}
