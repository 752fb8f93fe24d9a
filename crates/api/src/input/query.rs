//! Queries.

use axum::{extract::FromRequestParts, http::request::Parts};
use serde_json::{Map, Value};

use super::{Fields, FromFields};
use crate::{App, error::ApiError};

/// A request read from the query of a URL. Of a name that stands there twice the last counts.
pub struct Query<T>(pub T);

impl<T: FromFields> FromRequestParts<App> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        let axum::extract::Query(pairs) = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|_| ApiError::field("query", "Must be pairs of names and values"))?;
        let values: Map<_, _> = pairs.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
        Fields::new(values).read().map(Self)
    }
}
