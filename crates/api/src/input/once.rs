//! Requests that take effect once: the header `Idempotency-Key` and what it stands for.
//!
//! Two requests are the same where the route and the body say the same. How the body is written does not matter: the
//! order of its fields, blanks, a field that is `null` instead of absent. Nor does the mount: `/api`, `/api/v1` and
//! `/api/external` are one route.

use axum::{
    extract::{FromRequest, Request},
    http::{HeaderMap, HeaderName, HeaderValue},
    response::{IntoResponseParts, ResponseParts},
};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use waypost_domain::IdempotencyKey;
use waypost_gateway::messages::Idempotency;

use super::{Fields, FromFields, body, query};
use crate::{App, error::ApiError};

/// The header that carries a key.
pub const KEY: &str = "idempotency-key";
/// The header of an answer that was given before.
pub const REPLAYED: &str = "idempotency-replayed";

/// A request read from a JSON body, which takes effect once where its caller wants that.
pub struct Once<T> {
    /// The caller's key, and what it stands for.
    pub idempotency: Option<Idempotency>,
    /// What is asked for.
    pub request: T,
}

impl<T: FromFields> FromRequest<App> for Once<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        query::refuse(request.uri())?;
        let key = key(request.headers())?;
        // Routes are nested: this path is the one behind the mount.
        let named = key.map(|key| (key, request.uri().path().to_owned()));
        let fields = body::object(request, app).await?;
        let idempotency = named.map(|(key, route)| Idempotency { key, fingerprint: fingerprint(&route, &fields) });
        Ok(Self { idempotency, request: Fields::new(fields).read()? })
    }
}

fn key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, ApiError> {
    const NAME: &str = "Idempotency-Key";
    let mut values = headers.get_all(KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(ApiError::field(NAME, "Must be given once"));
    }
    IdempotencyKey::parse(value.as_bytes()).map(Some).map_err(|sentence| ApiError::field(NAME, sentence))
}

fn fingerprint(route: &str, fields: &Map<String, Value>) -> [u8; 32] {
    let mut said = route.to_owned();
    said.push('\n');
    write_object(fields, &mut said);
    Sha256::digest(said.as_bytes()).into()
}

/// Writes JSON in the one form that it has among all ways to write it.
fn write(value: &Value, said: &mut String) {
    match value {
        Value::Object(members) => write_object(members, said),
        Value::Array(items) => {
            said.push('[');
            for item in items {
                write(item, said);
                said.push(',');
            }
            said.push(']');
        }
        scalar => said.push_str(&scalar.to_string()),
    }
}

fn write_object(members: &Map<String, Value>, said: &mut String) {
    let mut members: Vec<_> = members.iter().filter(|(_, value)| !value.is_null()).collect();
    members.sort_unstable_by_key(|(name, _)| *name);
    said.push('{');
    for (name, value) in members {
        write(&Value::from(name.as_str()), said);
        said.push(':');
        write(value, said);
        said.push(',');
    }
    said.push('}');
}

/// Says in a header whether an answer was given before.
pub struct Replayed(pub bool);

impl IntoResponseParts for Replayed {
    type Error = std::convert::Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Self::Error> {
        if self.0 {
            parts.headers_mut().insert(HeaderName::from_static(REPLAYED), HeaderValue::from_static("true"));
        }
        Ok(parts)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn fingerprint_of(route: &str, body: &str) -> [u8; 32] {
        let Ok(Value::Object(fields)) = serde_json::from_str(body) else { panic!("an object") };
        fingerprint(route, &fields)
    }

    #[rstest]
    #[case(r#"{"b":[1,{"y":2,"x":"3"}],"a":"1"}"#, true)]
    #[case("{ \"a\" : \"1\", \"b\": [1, {\"x\":\"3\", \"y\":2}], \"c\": null }", true)]
    #[case(r#"{"a":"\u0031","b":[1,{"x":"3","y":2}]}"#, true)]
    #[case(r#"{"a":"2","b":[1,{"x":"3","y":2}]}"#, false)]
    #[case(r#"{"a":1,"b":[1,{"x":"3","y":2}]}"#, false)]
    #[case(r#"{"a":"1","b":[{"x":"3","y":2},1]}"#, false)]
    #[case(r#"{"a":"1","b":[1,{"x":"3","y":2}],"c":false}"#, false)]
    #[case(r#"{"a\":\"1\",\"b":[1,{"x":"3","y":2}]}"#, false)]
    fn a_body_is_the_same_however_it_is_written(#[case] body: &str, #[case] same: bool) {
        let first = fingerprint_of("/send-text", r#"{"a":"1","b":[1,{"x":"3","y":2}]}"#);
        assert_eq!(fingerprint_of("/send-text", body) == first, same);
    }

    #[test]
    fn another_route_is_another_request() {
        assert_ne!(fingerprint_of("/send-text", "{}"), fingerprint_of("/send-image", "{}"));
    }
}
