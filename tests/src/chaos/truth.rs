//! What is true in the end: the gateway's rows, and what the phones were shown.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::World;
use super::world::{admin, devices};

/// How long nothing may move before what is unsettled counts as stuck: longer than a message waits for its next try.
const STUCK: Duration = Duration::from_secs(40);
/// How long settling may take in all.
const SETTLE: Duration = Duration::from_mins(30);
/// The statuses of a message that is on its way.
const ON_THE_WAY: [&str; 4] = ["scheduled", "queued", "sending", "sent"];

/// A message in a phone's book.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown {
    #[expect(dead_code, reason = "told with a violation")]
    pub id: String,
    pub from_me: bool,
    pub order: u64,
    pub times: u64,
    pub failed: u64,
    pub decrypted: Option<bool>,
    pub text: Option<String>,
}

/// What a phone was shown: by the number of the other side.
#[derive(Debug, Clone, Default)]
pub(super) struct Inbox {
    pub chats: BTreeMap<String, Vec<Shown>>,
    pub totals: Value,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Truth {
    /// Every message of the tenant, oldest first.
    pub rows: Vec<Value>,
    /// By number: recipients and the sessions' own phones.
    pub inboxes: BTreeMap<String, Inbox>,
    /// The sessions as the gateway tells them.
    pub sessions: Vec<Value>,
    /// The devices of each session's account, in the world's order.
    pub devices: Vec<Vec<String>>,
}

/// Waits until nothing is on its way any more, or nothing moves; returns how long that took, and what is left.
pub(super) async fn settle(world: &World, inbound: usize) -> Result<(Duration, Option<String>)> {
    let started = Instant::now();
    let (mut before, mut moved) = (String::new(), Instant::now());
    loop {
        let left = unsettled(world, inbound).await?;
        if left.is_empty() {
            return Ok((started.elapsed(), None));
        }
        if left != before {
            (before, moved) = (left, Instant::now());
        }
        if moved.elapsed() > STUCK || started.elapsed() > SETTLE {
            return Ok((started.elapsed(), Some(before)));
        }
        sleep(Duration::from_millis(100)).await;
    }
}

async fn unsettled(world: &World, inbound: usize) -> Result<String> {
    let mut left = Vec::new();
    for status in ON_THE_WAY {
        let count = count(world, &format!("status={status}")).await?;
        if count > 0 {
            left.push(format!("{count} messages are {status}"));
        }
    }
    let received = count(world, "direction=inbound").await?;
    if received < inbound as u64 {
        left.push(format!("{received} of {inbound} inbound messages are stored"));
    }
    // One that was let go so that WhatsApp brings something again is on its way back.
    let away = world.states().await?.iter().filter(|state| state["status"] != "connected").count();
    if away > 0 {
        left.push(format!("{away} sessions are not connected"));
    }
    for session in &world.sessions {
        let path = format!("/admin/accounts/{}", session.number);
        let account = admin(world.simulator.admin(), Method::GET, &path, None).await?;
        for device in account["devices"].as_array().into_iter().flatten() {
            if let Some(queued) = device["queued"].as_u64().filter(|queued| *queued > 0) {
                left.push(format!("{queued} stanzas wait for {}", device["jid"]));
            }
        }
    }
    Ok(left.join("; "))
}

async fn count(world: &World, filter: &str) -> Result<u64> {
    let page = messages(world, &format!("{filter}&limit=1")).await?;
    page.pointer("/pagination/total").and_then(Value::as_u64).context("a list has a total")
}

async fn messages(world: &World, query: &str) -> Result<Value> {
    let client = &world.tenant.person;
    let answer = client.try_send(client.request(Method::GET, &format!("/api/messages?{query}"))).await?;
    ensure!(answer.status.is_success(), "the list of messages answered {} {}", answer.status, answer.body);
    Ok(answer.body)
}

/// Reads it all.
pub(super) async fn read(world: &World) -> Result<Truth> {
    let mut rows = Vec::new();
    let mut cursor = String::new();
    loop {
        let mut page = messages(world, &format!("limit=100{cursor}")).await?;
        if let Some(Value::Array(found)) = page.get_mut("data").map(Value::take) {
            rows.extend(found);
        }
        match page.pointer("/pagination/nextCursor").and_then(Value::as_str) {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    rows.reverse();
    let mut inboxes = BTreeMap::new();
    let of_sessions = world.sessions.iter().map(|session| &session.number);
    for number in world.recipients.iter().chain(of_sessions) {
        inboxes.insert(number.clone(), inbox(world, number).await?);
    }
    let mut all = Vec::new();
    for session in &world.sessions {
        all.push(devices(world.simulator.admin(), &session.number).await?);
    }
    Ok(Truth { rows, inboxes, sessions: world.connected().await?, devices: all })
}

async fn inbox(world: &World, number: &str) -> Result<Inbox> {
    let path = format!("/admin/accounts/{number}/inbox");
    let mut book = admin(world.simulator.admin(), Method::GET, &path, None).await?;
    let mut inbox = Inbox { totals: book["totals"].take(), ..Inbox::default() };
    for chat in book["chats"].as_array_mut().into_iter().flatten() {
        let name = chat["chat"].as_str().context("a chat has a name")?.to_owned();
        inbox.chats.insert(name, serde_json::from_value(chat["messages"].take())?);
    }
    Ok(inbox)
}
