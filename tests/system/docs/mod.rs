//! `/api/docs`, `/api/openapi.json`, and the README: what a new user reads first.

mod openapi;
mod readme;
mod swagger_ui;
