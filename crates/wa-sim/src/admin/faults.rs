//! Faults, see [`crate::faults`].

use crate::core::Core;
use crate::faults::FaultRule;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;

/// `GET /admin/faults`
pub(super) async fn list(State(core): State<Arc<Core>>) -> Json<Value> {
    Json(json!({ "faults": core.faults.list() }))
}

/// `POST /admin/faults`
pub(super) async fn add(State(core): State<Arc<Core>>, Json(rule): Json<FaultRule>) -> (StatusCode, Json<FaultRule>) {
    core.faults.add(rule.clone());
    (StatusCode::CREATED, Json(rule))
}

/// `DELETE /admin/faults`
pub(super) async fn clear(State(core): State<Arc<Core>>) -> StatusCode {
    core.faults.clear();
    StatusCode::NO_CONTENT
}
