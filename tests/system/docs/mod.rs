//! `/api/docs`, `/api/openapi.json`, and the README: what a new user reads first.

mod openapi;
mod readme;
#[cfg(feature = "wire-sim")]
mod schemathesis;
mod swagger_ui;
