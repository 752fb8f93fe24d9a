//! Queries.

use axum::{
    extract::FromRequestParts,
    http::{Uri, request::Parts},
};
use serde_json::{Map, Value};

use super::{Fields, FromFields, fields::shown};
use crate::{App, error::ApiError};

/// A request read from the query of a URL. A name stands there once.
pub struct Query<T>(pub T);

impl<T: FromFields> FromRequestParts<App> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        read(&parts.uri).map(Self)
    }
}

/// Refuses the query of a route that takes none.
pub(super) fn refuse(uri: &Uri) -> Result<(), ApiError> {
    struct Nothing;
    impl FromFields for Nothing {
        fn from_fields(_: &mut Fields) -> Option<Self> {
            Some(Self)
        }
    }
    read(uri).map(|Nothing| ())
}

fn read<T: FromFields>(uri: &Uri) -> Result<T, ApiError> {
    let axum::extract::Query(pairs) = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map_err(|_| ApiError::field("query", "Must be pairs of names and values"))?;
    let mut values = Map::new();
    for (name, value) in pairs {
        if values.contains_key(&name) {
            return Err(ApiError::field(&shown(&name), "Stands twice. Write it once"));
        }
        values.insert(name, Value::String(value));
    }
    Fields::new(values).read()
}
