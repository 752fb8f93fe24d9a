//! Ids in paths.

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};
use uuid::Uuid;

use super::rules;
use crate::{App, error::ApiError};

/// The id in a path. What is no UUID is answered as bad input; what is one but names nothing, or nothing of the
/// caller's tenant, is for the use case to answer: 404.
pub struct Id<I>(pub I);

impl<I: From<Uuid>> FromRequestParts<App> for Id<I> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let params = RawPathParams::from_request_parts(parts, app).await.ok();
        let written = params.as_ref().and_then(|params| params.iter().find(|(name, _)| *name == "id"));
        rules::uuid(written.map_or("", |(_, value)| value))
            .map(|id| Self(I::from(id)))
            .map_err(|sentence| ApiError::field("id", sentence))
    }
}
