//! What goes around every request: its id, its client's address, its span and its line in the log, the envelope of its
//! errors, its security headers, and the memory that its answer takes.

use axum::{
    Json,
    body::{Body, Bytes, HttpBody, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tracing::Instrument;
use uuid::Uuid;
use waypost_domain::TenantId;

use crate::{
    App,
    access_log::Asked,
    budget::{Held, Holder},
    error::ApiError,
    input::ClientAddress,
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// On every answer unless the route says otherwise. JSON is never a page, so nothing may be loaded by it.
const SECURITY_HEADERS: [(HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
];

/// Answers up to this length, in bytes, are not counted: the system takes them off our hands at once.
const UNCOUNTED_ANSWER: u64 = 16 * 1024;

/// Comes with a request for which the server has no connection left. Only whether the process is well can be asked then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnedAway {
    /// The client's address has as many connections as it may have.
    AddressFull,
    /// The server has.
    ServerFull,
}

/// The outermost layer. Every line that is logged for a request carries `request.id`, and `tenant.id` once it is known.
pub async fn answer(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let id: Uuid = app.gateway.env().new_id();
    let span = tracing::error_span!("request", request.id = %id, tenant.id = tracing::field::Empty);
    let mut asked = Asked::by(&request, id);
    let refused = match asked.client.behind(request.headers(), &app) {
        Ok(client) => {
            asked.client = client;
            refused(&request, &asked)
        }
        Err(error) => Some(error),
    };
    request.extensions_mut().insert(asked.client);
    let looked_at = refused.is_none();
    let mut response = match refused {
        Some(error) => error.into_response(),
        None => next.run(request).instrument(span.clone()).await,
    };
    asked.entered = response.extensions_mut().remove();
    if let Some(entered) = asked.entered {
        response = within_budget(&app, response, entered.tenant).await;
    }
    if let Some(error) = take_error(&mut response) {
        if looked_at && asked.entered.is_none() {
            slow_down(&app, &error, asked.client).await;
        }
        span.in_scope(|| log(&error));
        response = with_envelope(response, &error, id);
    }
    finish(response.headers_mut(), id);
    asked.answered(response.status());
    response
}

/// Lets a stranger who is past a limit, or who causes one error after the other, wait for the answer. Whoever asks again
/// as soon as they are answered would otherwise keep the processor busy with refusals. An address holds a bounded number
/// of connections, so this bounds how often it asks.
async fn slow_down(app: &App, error: &ApiError, ClientAddress(client): ClientAddress) {
    let pause = app.config.refusal_pause;
    if !pause.is_zero() && app.doors.slow_down(error, client, app.gateway.env().now()) {
        tokio::time::sleep(pause).await;
    }
}

/// Why a request is not even looked at.
fn refused(request: &Request, asked: &Asked) -> Option<ApiError> {
    let turned_away = request.extensions().get::<TurnedAway>()?;
    let sentence = match turned_away {
        TurnedAway::AddressFull => "Too many connections are open from this address",
        TurnedAway::ServerFull => "Too many connections are open",
    };
    (!asked.route().starts_with("/health/")).then_some(ApiError::Busy(sentence))
}

/// Counts a large answer until it is written, for the tenant it goes to. (Those for everyone are small or in memory
/// anyway.)
async fn within_budget(app: &App, response: Response, tenant: TenantId) -> Response {
    let Some(length) = response.body().size_hint().exact().filter(|length| *length > UNCOUNTED_ANSWER) else {
        return response;
    };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let Ok(held) = app.answers.hold(Holder::Tenant(tenant), length).await else {
        return ApiError::Busy("Too many answers wait to be read at once").into_response();
    };
    let (parts, body) = response.into_parts();
    match to_bytes(body, length).await {
        Ok(bytes) => Response::from_parts(parts, Bytes::from_owner(Counted { bytes, _held: held }).into()),
        Err(error) => ApiError::Internal(format!("an answer broke off: {error}")).into_response(),
    }
}

/// An answer's bytes with their place in the budget: it is free again when the last of them is written or given up.
struct Counted {
    bytes: Bytes,
    _held: Held,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
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
