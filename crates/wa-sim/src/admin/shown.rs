//! What all phones were shown, in short: for harnesses that check the whole world at once.

use super::Refusal;
use crate::account::Account;
use crate::core::Core;
use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Accounts on one page.
const PAGE: usize = 100;
/// Ceiling for what may be asked for.
const MAX_PAGE: usize = 1000;

#[derive(Deserialize)]
pub(super) struct Wanted {
    account: Option<String>,
    chat: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

/// `GET /admin/shown[?account=&chat=&after=&limit=]`
pub(super) async fn shown(State(core): State<Arc<Core>>, Query(wanted): Query<Wanted>) -> Result<Json<Value>, Refusal> {
    if let Some(pn) = &wanted.account {
        let account = super::accounts::find(&core, pn)?;
        return Ok(Json(json!({ "accounts": [describe(&account, wanted.chat.as_deref())], "next": null })));
    }
    let limit = wanted.limit.unwrap_or(PAGE).clamp(1, MAX_PAGE);
    let after = wanted.after.unwrap_or_default();
    let all = core.directory.all();
    let mut rest = all.iter().filter(|account| *account.pn > *after);
    let page: Vec<&Arc<Account>> = rest.by_ref().take(limit).collect();
    let next = rest.next().and(page.last()).map(|last| last.pn.as_str());
    let accounts: Vec<Value> = page.iter().map(|account| describe(account, wanted.chat.as_deref())).collect();
    Ok(Json(json!({ "accounts": accounts, "next": next })))
}

fn describe(account: &Account, chat: Option<&str>) -> Value {
    let devices = account.devices();
    let companions: Vec<Value> = devices
        .iter()
        .filter_map(|device| Some((device.id, device.player.as_ref()?.view())))
        .map(|(id, view)| json!({ "device": id, "totals": view.totals(), "chats": view.shown(chat) }))
        .collect();
    let view = account.phone().view();
    let mut shown = json!({ "pn": account.pn.as_str(), "totals": view.totals(), "chats": view.shown(chat) });
    if !companions.is_empty() {
        shown["devices"] = Value::Array(companions);
    }
    shown
}
