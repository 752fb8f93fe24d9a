//! Who is on stage: the gateway with several linked sessions, the simulator, and the phones they talk to.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::client::text;
use crate::{Client, Setup, Simulator, Tenant, Waypost};

/// How long all sessions may take to be connected again.
const BACK: Duration = Duration::from_mins(2);

/// A session and the account it is linked to.
#[derive(Debug, Clone)]
pub struct Linked {
    /// The session's id.
    pub id: String,
    /// The account's number.
    pub number: String,
    /// What the simulator called the session's device when it was linked.
    pub devices: Vec<String>,
}

/// See the module.
#[derive(Debug)]
pub struct World {
    /// WhatsApp.
    pub simulator: Simulator,
    /// The gateway.
    pub server: Waypost,
    /// Whose sessions they are.
    pub tenant: Tenant,
    /// The sessions.
    pub sessions: Vec<Linked>,
    /// The numbers of the phones that they write to.
    pub recipients: Vec<String>,
}

impl World {
    /// Starts everything, links the sessions, and returns when they are connected.
    pub async fn start(setup: Setup, sessions: usize, recipients: usize) -> Result<Self> {
        let simulator = Simulator::with_talking_phones().await?;
        let setup = setup
            .talking_to(&simulator)
            // Messages whose acknowledgement got lost go out again while the run still lasts.
            .with("WAYPOST_ACK_TIMEOUT", "5s")
            .with("WAYPOST_SEND_ATTEMPTS", "20")
            .with("WAYPOST_ACCESS_TOKEN_LIFE", "1d")
            .with("WAYPOST_RATE_LIMIT_PER_MINUTE", "0");
        let server = Waypost::start(setup).await?;
        let tenant = server.register("ada").await?;
        let mut linked = Vec::new();
        for n in 0..sessions {
            let number = format!("1555200{n:04}");
            let id = tenant.link(&simulator, &number).await;
            let devices = devices(simulator.admin(), &number).await?;
            linked.push(Linked { id, number, devices });
        }
        let recipients: Vec<String> = (0..recipients).map(|n| format!("1555300{n:04}")).collect();
        for number in &recipients {
            let body = json!({"pn": number, "pushName": format!("Recipient {number}")});
            let answer = simulator.admin().post("/admin/accounts", &body).await;
            ensure!(answer.status.is_success(), "the simulator made no account: {}", answer.body);
        }
        Ok(Self { simulator, server, tenant, sessions: linked, recipients })
    }

    /// The chats: which session (by its place) writes to which recipient. Most recipients have several sessions.
    pub fn chats(&self) -> Vec<(usize, usize)> {
        let (sessions, recipients) = (self.sessions.len(), self.recipients.len());
        let all = (0..sessions).flat_map(|session| (0..recipients).map(move |recipient| (session, recipient)));
        all.filter(|(session, recipient)| sessions < 3 || (session + recipient) % sessions != 0).collect()
    }

    /// Waits until every session is connected; returns how long that took.
    pub async fn wait_connected(&self) -> Result<Duration> {
        let started = Instant::now();
        self.connected().await?;
        Ok(started.elapsed())
    }

    /// The sessions at a moment in which all are connected. A single look may meet one that is on its way back, to have
    /// what was not stored brought again.
    pub async fn connected(&self) -> Result<Vec<Value>> {
        let started = Instant::now();
        loop {
            let states = self.states().await.unwrap_or_default();
            if states.len() == self.sessions.len() && states.iter().all(|state| state["status"] == "connected") {
                return Ok(states);
            }
            if started.elapsed() > BACK {
                bail!("not all sessions were connected within {BACK:?}: {states:#?}");
            }
            sleep(Duration::from_millis(15)).await;
        }
    }

    /// The sessions as the gateway tells them.
    pub async fn states(&self) -> Result<Vec<Value>> {
        let request = self.tenant.person.request(Method::GET, "/api/v1/whatsapp?limit=100");
        let answer = self.tenant.person.try_send(request).await?;
        ensure!(answer.status.is_success(), "the list of sessions answered {} {}", answer.status, answer.body);
        Ok(answer.body["data"].as_array().cloned().unwrap_or_default())
    }

    /// Cuts the sockets of a session, as a network does.
    pub async fn cut(&self, session: usize) -> Result<()> {
        let path = format!("/admin/accounts/{}/disconnect", self.sessions[session].number);
        admin(self.simulator.admin(), Method::POST, &path, None).await.map(drop)
    }
}

/// What the devices of an account are called.
pub(super) async fn devices(simulator: &Client, number: &str) -> Result<Vec<String>> {
    let account = admin(simulator, Method::GET, &format!("/admin/accounts/{number}"), None).await?;
    let devices = account["devices"].as_array().context("an account has devices")?;
    Ok(devices.iter().map(|device| text(device, "/jid")).collect())
}

/// Asks the simulator something.
pub(super) async fn admin(simulator: &Client, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
    let mut request = simulator.request(method, path);
    if let Some(body) = body {
        request = request.json(body);
    }
    let answer = simulator.try_send(request).await?;
    ensure!(answer.status.is_success(), "the simulator answered {path} with {} {}", answer.status, answer.body);
    Ok(answer.body)
}
