//! What goes around every request: its id, its span in the log, the envelope of its errors, its security headers.

use std::time::Instant;

use axum::{
    Json,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tracing::Instrument;
use uuid::Uuid;

use crate::{App, error::ApiError};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// On every answer unless the route says otherwise. JSON is never a page, so nothing may be loaded by it.
const SECURITY_HEADERS: [(HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
];

/// The outermost layer. Every line that is logged for a request carries `request.id`, and `tenant.id` once it is known.
pub async fn answer(State(app): State<App>, request: Request, next: Next) -> Response {
    let id: Uuid = app.gateway.env().new_id();
    let span = tracing::error_span!("request", request.id = %id, tenant.id = tracing::field::Empty);
    let method = request.method().clone();
    let started = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let _entered = span.enter();
    if let Some(error) = take_error(&mut response) {
        log(&error);
        response = with_envelope(response, &error, id);
    }
    finish(response.headers_mut(), id);
    let elapsed_ms = started.elapsed().as_millis();
    tracing::debug!(http.method = %method, http.status = response.status().as_u16(), elapsed_ms, "answered");
    response
}

/// The error that a response carries. The one answer of axum's own that gets here is 405.
fn take_error(response: &mut Response) -> Option<ApiError> {
    let error = response.extensions_mut().remove();
    error.or_else(|| (response.status() == StatusCode::METHOD_NOT_ALLOWED).then_some(ApiError::MethodNotAllowed))
}

fn log(error: &ApiError) {
    if let Some(cause) = error.cause() {
        tracing::error!(error = cause, "a request failed");
    }
}

/// The same status and headers with the envelope for a body.
fn with_envelope(response: Response, error: &ApiError, id: Uuid) -> Response {
    let (mut parts, _) = response.into_parts();
    let (body_parts, body) = Json(error.envelope(id)).into_response().into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.extend(body_parts.headers);
    Response::from_parts(parts, body)
}

fn finish(headers: &mut HeaderMap, id: Uuid) {
    let mut text = Uuid::encode_buffer();
    let id = HeaderValue::from_str(id.as_hyphenated().encode_lower(&mut text));
    headers.insert(REQUEST_ID, id.expect("a UUID has the characters of a header"));
    for (name, value) in SECURITY_HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

/// What a panic in a handler is answered with.
#[expect(clippy::needless_pass_by_value, reason = "CatchPanicLayer hands the panic over")]
pub fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response<Body> {
    let message = panic.downcast_ref::<&str>().map(ToString::to_string);
    let message = message.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    ApiError::Internal(format!("a handler panicked: {message}")).into_response()
}

/// What an unknown route is answered with.
pub async fn no_route() -> ApiError {
    ApiError::NoRoute
}
