//! Misbehaviour of connections, see [`crate::network`].

use super::Refusal;
use crate::core::Core;
use crate::network::{ConnectionRule, Link, LoginBook, Refuse, Refusing, Scope, StreamError};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

fn rules(core: &Core) -> Vec<Value> {
    let rules = core.network.list().into_iter();
    rules.map(|(id, rule)| numbered(id, &rule)).collect()
}

fn numbered(id: u64, rule: &ConnectionRule) -> Value {
    let mut value = json!(rule);
    value["id"] = id.into();
    value
}

/// `GET /admin/network`: everything that is the matter.
pub(super) async fn show(State(core): State<Arc<Core>>) -> Json<Value> {
    Json(json!({
        "links": core.network.links(),
        "faults": rules(&core),
        "refuse": core.network.refusing(),
        "minVersion": core.network.min_version(),
    }))
}

/// `POST /admin/network`: latency and bandwidth of somebody's connections.
pub(super) async fn set_link(State(core): State<Arc<Core>>, Json(link): Json<Link>) -> Json<Value> {
    core.network.set_link(link);
    Json(json!({ "links": core.network.links() }))
}

/// `DELETE /admin/network`: everything is well again.
pub(super) async fn clear(State(core): State<Arc<Core>>) -> StatusCode {
    core.network.clear();
    StatusCode::NO_CONTENT
}

/// `GET /admin/network/faults`
pub(super) async fn list(State(core): State<Arc<Core>>) -> Json<Value> {
    Json(json!({ "faults": rules(&core) }))
}

/// `POST /admin/network/faults`
pub(super) async fn add(State(core): State<Arc<Core>>, Json(rule): Json<ConnectionRule>) -> (StatusCode, Json<Value>) {
    let id = core.network.add(rule.clone());
    (StatusCode::CREATED, Json(numbered(id, &rule)))
}

/// `DELETE /admin/network/faults/{id}`
pub(super) async fn remove(State(core): State<Arc<Core>>, Path(id): Path<u64>) -> Result<StatusCode, Refusal> {
    if core.network.remove(id) { Ok(StatusCode::NO_CONTENT) } else { Err(Refusal::not_found(format!("no fault {id}"))) }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Close {
    #[serde(flatten)]
    scope: Scope,
    after_stanzas: Option<u32>,
}

/// `POST /admin/network/close`: cuts sockets, at once or with the n-th stanza from now.
pub(super) async fn close(State(core): State<Arc<Core>>, Json(close): Json<Close>) -> Json<Value> {
    Json(json!({ "closed": core.network.close(&close.scope, close.after_stanzas) }))
}

#[derive(Deserialize)]
pub(super) struct Sent {
    #[serde(flatten)]
    scope: Scope,
    #[serde(flatten)]
    error: StreamError,
}

/// `POST /admin/network/stream-error`: to those who are connected.
pub(super) async fn stream_error(State(core): State<Arc<Core>>, Json(sent): Json<Sent>) -> Json<Value> {
    Json(json!({ "sent": core.network.stream_error(&sent.scope, &sent.error) }))
}

/// `POST /admin/network/refuse`
pub(super) async fn refuse(State(core): State<Arc<Core>>, Json(refuse): Json<Refuse>) -> Result<Json<Refuse>, Refusal> {
    if refuse.how == Refusing::NotListening && refuse.for_ms.is_none() {
        return Err(Refusal::bad_request("notListening closes this interface too, so it needs forMs"));
    }
    core.network.refuse(refuse);
    Ok(Json(refuse))
}

/// `DELETE /admin/network/refuse`
pub(super) async fn accept(State(core): State<Arc<Core>>) -> StatusCode {
    core.network.accept();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
pub(super) struct MinVersion {
    version: Option<String>,
}

/// `POST /admin/min-version`: clients below it are outdated; without a version none is.
pub(super) async fn min_version(
    State(core): State<Arc<Core>>,
    Json(min): Json<MinVersion>,
) -> Result<Json<Value>, Refusal> {
    if !core.network.set_min_version(min.version.as_deref()) {
        return Err(Refusal::bad_request("a version looks like 2.3000.1043857760"));
    }
    Ok(Json(json!({ "version": core.network.min_version() })))
}

#[derive(Deserialize)]
pub(super) struct Whose {
    pn: Option<String>,
}

/// `GET /admin/logins[?pn=…]`
pub(super) async fn logins(State(core): State<Arc<Core>>, Query(whose): Query<Whose>) -> Json<LoginBook> {
    Json(core.network.logins(whose.pn.as_deref()))
}

/// `DELETE /admin/logins`
pub(super) async fn forget_logins(State(core): State<Arc<Core>>) -> StatusCode {
    core.network.reset_logins();
    StatusCode::NO_CONTENT
}
