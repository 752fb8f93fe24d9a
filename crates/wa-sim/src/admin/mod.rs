//! The JSON interface under `/admin`: play the phones, read their books, cause faults.

mod accounts;
mod faults;
mod network;
mod phone;
mod server;
mod shown;

use crate::core::Core;
use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use serde_json::json;
use std::sync::Arc;

/// Every route, on one page.
pub(crate) fn router() -> Router<Arc<Core>> {
    Router::new()
        .route("/admin/root-key", get(server::root_key))
        .route("/admin/shown", get(shown::shown))
        .route("/admin/stats", get(server::stats))
        .route("/admin/save", post(server::save))
        .route("/admin/clock", post(server::shift_clock))
        .route("/admin/mock-phone/scan-qr", post(phone::scan_qr))
        .route("/admin/mock-phone/enter-code", post(phone::enter_code))
        .route("/admin/accounts", get(accounts::list).post(accounts::create))
        .route("/admin/accounts/{pn}", get(accounts::show))
        .route("/admin/accounts/{pn}/inbox", get(accounts::inbox).delete(accounts::clear_inbox))
        .route("/admin/accounts/{pn}/send", post(accounts::send))
        .route("/admin/accounts/{pn}/read", post(accounts::read))
        .route("/admin/accounts/{pn}/retry", post(accounts::retry))
        .route("/admin/accounts/{pn}/devices", post(accounts::add_device))
        .route("/admin/accounts/{pn}/devices/{device}", delete(accounts::unlink))
        .route("/admin/accounts/{pn}/devices/{device}/inbox", get(accounts::device_inbox))
        .route("/admin/accounts/{pn}/disconnect", post(accounts::disconnect))
        .route("/admin/network", get(network::show).post(network::set_link).delete(network::clear))
        .route("/admin/network/faults", get(network::list).post(network::add))
        .route("/admin/network/faults/{id}", delete(network::remove))
        .route("/admin/network/close", post(network::close))
        .route("/admin/network/stream-error", post(network::stream_error))
        .route("/admin/network/refuse", post(network::refuse).delete(network::accept))
        .route("/admin/min-version", post(network::min_version))
        .route("/admin/logins", get(network::logins).delete(network::forget_logins))
        .route("/admin/faults", get(faults::list).post(faults::add).delete(faults::clear))
}

/// An answer that is not a success.
pub(crate) struct Refusal(StatusCode, String);

impl Refusal {
    fn not_found(what: impl Into<String>) -> Self {
        Self(StatusCode::NOT_FOUND, what.into())
    }

    fn bad_request(why: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, why.into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, axum::Json(json!({ "error": self.1 }))).into_response()
    }
}
