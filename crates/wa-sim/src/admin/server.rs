//! The server itself.

use super::Refusal;
use crate::core::Core;
use crate::{crypto, persist};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// `GET /admin/root-key`
pub(super) async fn root_key(State(core): State<Arc<Core>>) -> Json<Value> {
    let key = &core.identity.root_public;
    Json(json!({ "hex": crypto::hex(key), "base64": BASE64_STANDARD.encode(key), "serial": 0 }))
}

/// `GET /admin/stats`
pub(super) async fn stats(State(core): State<Arc<Core>>) -> Json<Value> {
    let accounts = core.directory.all();
    let devices: Vec<_> = accounts.iter().flat_map(|account| account.devices()).collect();
    let connected = devices.iter().filter(|device| device.mailbox().is_connected()).count();
    let queued: usize = devices.iter().map(|device| device.mailbox().len()).sum();
    let dropped: u64 = devices.iter().map(|device| device.mailbox().dropped()).sum();
    let stats = &core.stats;
    Json(json!({
        "accounts": accounts.len(),
        "devices": devices.len(),
        "connected": connected,
        "queued": queued,
        "dropped": dropped,
        "connections": stats.connections.load(Ordering::Relaxed),
        "logins": stats.logins.load(Ordering::Relaxed),
        "messages": stats.messages.load(Ordering::Relaxed),
        "receipts": stats.receipts.load(Ordering::Relaxed),
        "lookups": stats.lookups.load(Ordering::Relaxed),
        "numbersLookedUp": stats.numbers_looked_up.load(Ordering::Relaxed),
        "badConnections": stats.bad_stanzas.load(Ordering::Relaxed),
    }))
}

/// `POST /admin/save`: writes everything to the file named at the start.
pub(super) async fn save(State(core): State<Arc<Core>>) -> Result<StatusCode, Refusal> {
    let Some(path) = core.config.state.as_deref() else {
        return Err(Refusal::bad_request("wa-sim was started without --state FILE"));
    };
    let saved = persist::save(&core, path, false).await;
    core.works.resume();
    saved
        .map(|()| StatusCode::NO_CONTENT)
        .map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shift {
    shift_ms: i64,
}

/// `POST /admin/clock`: moves the clock that stanzas are stamped by.
pub(super) async fn shift_clock(State(core): State<Arc<Core>>, Json(shift): Json<Shift>) -> Json<Value> {
    core.clock.shift(shift.shift_ms);
    Json(json!({ "now": core.clock.secs() }))
}
