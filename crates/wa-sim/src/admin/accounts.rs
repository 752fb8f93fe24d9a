//! Accounts, and what their phones saw and do.

use super::Refusal;
use crate::account::Account;
use crate::core::Core;
use crate::devices;
use crate::directory::is_number;
use crate::faults::ReceiptForm;
use crate::phone::{Job, Phone};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::oneshot;
use wacore_binary::{CompactString, Server};

pub(super) fn find(core: &Core, pn: &str) -> Result<Arc<Account>, Refusal> {
    core.directory.by_pn(pn.trim_start_matches('+')).ok_or_else(|| Refusal::not_found(format!("no account {pn}")))
}

fn describe(core: &Core, account: &Account) -> Value {
    let devices: Vec<Value> = account
        .devices()
        .iter()
        .map(|device| {
            let mailbox = device.mailbox();
            json!({
                "id": device.id,
                "jid": account.jid(Server::Pn).with_device(device.id).to_string(),
                "pretend": device.player.is_some(),
                "connected": mailbox.is_connected(),
                "live": mailbox.is_live(),
                "queued": mailbox.len(),
                "dropped": mailbox.dropped(),
                "oneTimeKeys": device.keys().one_time.len(),
            })
        })
        .collect();
    json!({
        "pn": account.pn.as_str(),
        "lid": account.lid.as_str(),
        "pushName": account.push_name(),
        "lidMigrated": account.namespace().migrated(),
        "hidePn": account.namespace().hides_number(),
        "aliases": core.directory.aliases(account).iter().map(CompactString::as_str).collect::<Vec<_>>(),
        "devices": devices,
    })
}

/// `GET /admin/accounts`
pub(super) async fn list(State(core): State<Arc<Core>>) -> Json<Value> {
    let accounts: Vec<Value> = core.directory.all().iter().map(|account| describe(&core, account)).collect();
    Json(json!({ "accounts": accounts }))
}

/// `GET /admin/accounts/{pn}`
pub(super) async fn show(State(core): State<Arc<Core>>, Path(pn): Path<String>) -> Result<Json<Value>, Refusal> {
    Ok(Json(describe(&core, &*find(&core, &pn)?)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewAccount {
    pn: Option<String>,
    push_name: Option<String>,
    receipts: Option<bool>,
    aliases: Option<Vec<String>>,
    lid_migrated: Option<bool>,
    hide_pn: Option<bool>,
}

/// `POST /admin/accounts`: an account with a phone and no companion, or changes to the one there is. Without a
/// number it is derived from the push name.
pub(super) async fn create(
    State(core): State<Arc<Core>>,
    Json(new): Json<NewAccount>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    if let Some(bad) = new.aliases.iter().flatten().find(|alias| !is_number(alias)) {
        return Err(Refusal::bad_request(format!("not a phone number: {bad:?}")));
    }
    let account = match (&new.pn, &new.push_name) {
        (Some(pn), _) if is_number(pn) => core.account(pn.trim_start_matches('+'), new.push_name.as_deref()),
        (Some(pn), _) => return Err(Refusal::bad_request(format!("not a phone number: {pn:?}"))),
        (None, Some(name)) => {
            let account = core.account(&core.directory.number_for_name(name), Some(name));
            core.directory.remember_name(name, &account);
            account
        }
        (None, None) => return Err(Refusal::bad_request("pn or pushName is needed")),
    };
    if let Some(on) = new.receipts {
        account.phone().set_receipts(on);
    }
    if new.lid_migrated.is_some() {
        account.namespace().set_migrated(new.lid_migrated);
    }
    if let Some(hide) = new.hide_pn {
        account.namespace().set_hides_number(hide);
    }
    if let Some(aliases) = &new.aliases {
        let aliases = aliases.iter().map(|alias| CompactString::from(alias.trim_start_matches('+')));
        core.directory.set_aliases(&account, aliases);
    }
    Ok((StatusCode::CREATED, Json(describe(&core, &account))))
}

/// `GET /admin/accounts/{pn}/inbox`
pub(super) async fn inbox(State(core): State<Arc<Core>>, Path(pn): Path<String>) -> Result<Json<Value>, Refusal> {
    let account = find(&core, &pn)?;
    Ok(Json(book(&account, account.phone())))
}

/// `GET /admin/accounts/{pn}/devices/{device}/inbox`: of a pretend companion.
pub(super) async fn device_inbox(
    State(core): State<Arc<Core>>,
    Path((pn, device)): Path<(String, u16)>,
) -> Result<Json<Value>, Refusal> {
    let account = find(&core, &pn)?;
    let player = account.player(device).ok_or_else(|| Refusal::not_found(format!("nobody plays device {device}")))?;
    Ok(Json(book(&account, &player)))
}

fn book(account: &Account, phone: &Phone) -> Value {
    let view = phone.view();
    json!({
        "pn": account.pn.as_str(),
        "device": phone.device(),
        "totals": view.totals(),
        "chats": view.chats(),
        "receipts": view.receipts(),
    })
}

/// `POST /admin/accounts/{pn}/devices`: links a pretend companion.
pub(super) async fn add_device(
    State(core): State<Arc<Core>>,
    Path(pn): Path<String>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let account = find(&core, &pn)?;
    let device = devices::add_played(&core, &account)
        .map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let jid = account.jid(Server::Pn).with_device(device.id).to_string();
    Ok((StatusCode::CREATED, Json(json!({ "device": device.id, "jid": jid }))))
}

/// `DELETE /admin/accounts/{pn}/inbox`: the phone forgets.
pub(super) async fn clear_inbox(State(core): State<Arc<Core>>, Path(pn): Path<String>) -> Result<StatusCode, Refusal> {
    find(&core, &pn)?.phone().view().clear();
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
pub(super) struct NewText {
    to: String,
    text: String,
    id: Option<String>,
}

/// `POST /admin/accounts/{pn}/send`: the phone itself sends a text.
pub(super) async fn send(
    State(core): State<Arc<Core>>,
    Path(pn): Path<String>,
    Json(new): Json<NewText>,
) -> Result<Json<Value>, Refusal> {
    let account = find(&core, &pn)?;
    let (done, outcome) = oneshot::channel();
    let job = Job::SendText { to: new.to.trim_start_matches('+').into(), text: new.text, id: new.id, done };
    let _at_work = core.works.enter().await;
    account.phone().post(job).await;
    match outcome.await {
        Ok(Ok(id)) => Ok(Json(json!({ "id": id }))),
        Ok(Err(why)) => Err(Refusal(StatusCode::UNPROCESSABLE_ENTITY, why)),
        Err(_) => Err(Refusal(StatusCode::SERVICE_UNAVAILABLE, "shutting down".into())),
    }
}

#[derive(Default, Deserialize)]
pub(super) struct ReadRequest {
    chat: Option<CompactStringJson>,
    ids: Option<Vec<CompactStringJson>>,
}

/// `CompactString` has no serde here.
#[derive(Deserialize)]
#[serde(from = "String")]
struct CompactStringJson(CompactString);

impl From<String> for CompactStringJson {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

/// `POST /admin/accounts/{pn}/read`: the phone's owner reads: everything, one chat, or the ids given.
pub(super) async fn read(
    State(core): State<Arc<Core>>,
    Path(pn): Path<String>,
    body: String,
) -> Result<Json<Value>, Refusal> {
    let request: ReadRequest = if body.trim().is_empty() {
        ReadRequest::default()
    } else {
        serde_json::from_str(&body).map_err(|error| Refusal::bad_request(error.to_string()))?
    };
    let account = find(&core, &pn)?;
    let (done, count) = oneshot::channel();
    let job = Job::Read {
        chat: request.chat.map(|chat| chat.0),
        ids: request.ids.map(|ids| ids.into_iter().map(|id| id.0).collect()),
        done,
    };
    let _at_work = core.works.enter().await;
    account.phone().post(job).await;
    Ok(Json(json!({ "read": count.await.unwrap_or(0) })))
}

#[derive(Deserialize)]
pub(super) struct RetryRequest {
    id: String,
    chat: String,
    #[serde(rename = "as")]
    form: Option<ReceiptForm>,
    #[serde(default = "first_retry")]
    count: u32,
}

fn first_retry() -> u32 {
    1
}

/// `POST /admin/accounts/{pn}/retry`: the phone claims that it could not read a message it was shown.
pub(super) async fn retry(
    State(core): State<Arc<Core>>,
    Path(pn): Path<String>,
    Json(request): Json<RetryRequest>,
) -> Result<StatusCode, Refusal> {
    let account = find(&core, &pn)?;
    let (done, outcome) = oneshot::channel();
    let _at_work = core.works.enter().await;
    let job = Job::AskAgain {
        chat: request.chat.trim_start_matches('+').into(),
        id: request.id.into(),
        form: request.form,
        count: request.count,
        done,
    };
    account.phone().post(job).await;
    match outcome.await {
        Ok(true) => Ok(StatusCode::NO_CONTENT),
        Ok(false) => Err(Refusal::not_found("the phone was never shown this message")),
        Err(_) => Err(Refusal(StatusCode::SERVICE_UNAVAILABLE, "shutting down".into())),
    }
}

/// `DELETE /admin/accounts/{pn}/devices/{device}`: the phone's owner unlinks a companion.
pub(super) async fn unlink(
    State(core): State<Arc<Core>>,
    Path((pn, device)): Path<(String, u16)>,
) -> Result<StatusCode, Refusal> {
    let account = find(&core, &pn)?;
    if devices::unlink(&core, &account, device) {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Refusal::not_found(format!("no device {device}")))
    }
}

/// `POST /admin/accounts/{pn}/disconnect`: cuts the sockets of all companions.
pub(super) async fn disconnect(State(core): State<Arc<Core>>, Path(pn): Path<String>) -> Result<Json<Value>, Refusal> {
    let account = find(&core, &pn)?;
    let mut cut = 0;
    for device in account.devices() {
        if let Some(outbox) = device.mailbox().outbox() {
            outbox.cut();
            cut += 1;
        }
    }
    Ok(Json(json!({ "cut": cut })))
}
