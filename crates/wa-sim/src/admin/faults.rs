//! Faults, see [`crate::faults`].

use super::Refusal;
use crate::core::Core;
use crate::faults::FaultRule;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// `GET /admin/faults`
pub(super) async fn list(State(core): State<Arc<Core>>) -> Json<Value> {
    Json(json!({ "faults": core.faults.list() }))
}

/// `POST /admin/faults`. A member that no rule of its kind has is refused: misspelt, it would widen the rule.
pub(super) async fn add(
    State(core): State<Arc<Core>>,
    Json(body): Json<Map<String, Value>>,
) -> Result<(StatusCode, Json<FaultRule>), Refusal> {
    let rule: FaultRule =
        serde_json::from_value(Value::Object(body.clone())).map_err(|error| Refusal::bad_request(error.to_string()))?;
    rule.check().map_err(Refusal::bad_request)?;
    let understood = serde_json::to_value(&rule).map_err(|error| Refusal::bad_request(error.to_string()))?;
    if let Some((name, _)) = body.iter().find(|(name, value)| !value.is_null() && understood.get(name).is_none()) {
        return Err(Refusal::bad_request(format!("unknown member {name:?}")));
    }
    core.faults.add(rule.clone());
    Ok((StatusCode::CREATED, Json(rule)))
}

/// `DELETE /admin/faults`
pub(super) async fn clear(State(core): State<Arc<Core>>) -> StatusCode {
    core.faults.clear();
    StatusCode::NO_CONTENT
}
