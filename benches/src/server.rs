//! The real server, started on a fresh data folder, and the few calls that set it up.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::{Child, Simulator, http, process::beside};

/// A running Waypost with one tenant.
#[derive(Debug)]
pub struct Server {
    /// The process.
    pub child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// The tenant's API key.
    pub api_key: String,
    program: PathBuf,
    token: String,
    http: reqwest::Client,
    data: tempfile::TempDir,
}

impl Server {
    /// Starts `waypost serve` with these settings beside the defaults, and registers a tenant.
    pub async fn start(settings: &[(&str, &str)]) -> Result<Self> {
        Self::start_program(beside("waypost")?, settings).await
    }

    /// Starts this `waypost`, which may be of another build.
    pub async fn start_program(program: PathBuf, settings: &[(&str, &str)]) -> Result<Self> {
        let data = tempfile::tempdir()?;
        let address: SocketAddr = ([127, 0, 0, 1], free_port()?).into();
        let child = serve(&program, address, data.path(), settings).await?;
        let http = http::client()?;
        let mut server = Self { child, address, api_key: String::new(), program, token: String::new(), http, data };
        let account = json!({"name": "Bench", "email": "bench@example.com", "password": "correct horse battery",
            "businessName": "Bench Ltd"});
        let registered = server.post("/api/auth/register", account).await?;
        server.token = text(&registered, "/data/accessToken")?;
        let key = server.post("/api/api-keys", json!({"name": "bench"})).await?;
        server.api_key = text(&key, "/data/key")?;
        Ok(server)
    }

    /// Kills the process (`SIGKILL`).
    pub async fn kill(&mut self) -> Result<()> {
        self.child.kill().await
    }

    /// Starts it again on the same data and address, with these settings, and returns when it listens.
    pub async fn start_again(&mut self, settings: &[(&str, &str)]) -> Result<()> {
        self.child = serve(&self.program, self.address, self.data.path(), settings).await?;
        Ok(())
    }

    /// Creates a session and returns its id.
    pub async fn create_session(&self, name: &str, engine: &str) -> Result<String> {
        let session = self.post("/api/v1/whatsapp", json!({"name": name, "engine": engine})).await?;
        text(&session, "/data/id")
    }

    /// Starts linking or connecting a session; returns the answer's data.
    pub async fn connect(&self, session: &str) -> Result<Value> {
        let answer = self.post(&format!("/api/v1/whatsapp/{session}/connect"), json!({})).await?;
        Ok(answer["data"].clone())
    }

    /// Waits until a session is connected.
    pub async fn wait_connected(&self, session: &str) -> Result<()> {
        for _ in 0..600 {
            let answer = self.get(&format!("/api/v1/whatsapp/{session}/status")).await?;
            if answer["data"]["status"] == "connected" {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        anyhow::bail!("session {session} did not connect within a minute")
    }

    /// Creates a WhatsApp session and links it to the simulator's phone of this number.
    pub async fn link(&self, simulator: &Simulator, name: &str, phone: &str) -> Result<String> {
        let session = self.create_session(name, "whatsapp").await?;
        self.connect(&session).await?;
        let qr = self.get(&format!("/api/v1/whatsapp/{session}/qr")).await?;
        simulator.scan(&text(&qr, "/data/qr")?, phone).await?;
        self.wait_connected(&session).await?;
        Ok(session)
    }

    /// Waits until a message is delivered.
    pub async fn wait_delivered(&self, message: &str) -> Result<()> {
        for _ in 0..6000 {
            let answer = self.get(&format!("/api/messages/{message}")).await?;
            if answer["data"]["status"] == "delivered" {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        anyhow::bail!("message {message} was not delivered within a minute")
    }

    /// How many messages have this status. Reads them all.
    pub async fn count(&self, status: &str) -> Result<u64> {
        let answer = self.get(&format!("/api/messages?status={status}&limit=1")).await?;
        answer["pagination"]["total"].as_u64().context("no total")
    }

    /// GETs a path and returns the answer.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let url = format!("http://{}{path}", self.address);
        answer(self.http.get(url).bearer_auth(&self.token).send().await?).await
    }

    /// POSTs JSON and returns the answer.
    pub async fn post(&self, path: &str, body: Value) -> Result<Value> {
        let request = self.http.post(format!("http://{}{path}", self.address)).json(&body);
        let request = if self.token.is_empty() { request } else { request.bearer_auth(&self.token) };
        answer(request.send().await?).await
    }
}

async fn serve(program: &Path, address: SocketAddr, folder: &Path, settings: &[(&str, &str)]) -> Result<Child> {
    let (listen, folder) = (address.to_string(), folder.display().to_string());
    let mut envs = vec![
        ("WAYPOST_LISTEN", listen.as_str()),
        ("WAYPOST_DATA_DIR", folder.as_str()),
        ("WAYPOST_LOG_LEVEL", "warn"),
        // A simulator bans nobody.
        ("WAYPOST_PACING", "off"),
    ];
    envs.extend_from_slice(settings);
    let (child, _) = Child::start_at(program, &["serve"], &envs, &listen).await?;
    Ok(child)
}

async fn answer(response: reqwest::Response) -> Result<Value> {
    let status = response.status();
    let body: Value = response.json().await?;
    ensure!(status.is_success(), "{status}: {body}");
    Ok(body)
}

fn text(value: &Value, pointer: &str) -> Result<String> {
    value.pointer(pointer).and_then(Value::as_str).map(str::to_owned).with_context(|| format!("no {pointer}"))
}

pub(crate) fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
