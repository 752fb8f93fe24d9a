//! wa-sim as a child process, and what the tests ask of it.

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::client::text;
use crate::{Client, Credential, Process, binary};

/// A running simulator of WhatsApp.
#[derive(Debug)]
pub struct Simulator {
    process: Process,
    options: Vec<&'static str>,
    admin: Client,
    port: u16,
    state: TempDir,
}

impl Simulator {
    /// Starts wa-sim on a free port. Its phones write no receipts: those that arrive are of real clients.
    pub async fn start() -> Result<Self> {
        Self::with(&["--silent-phones"]).await
    }

    /// Starts wa-sim on a free port. Its phones confirm what they are shown.
    pub async fn with_talking_phones() -> Result<Self> {
        Self::with(&[]).await
    }

    async fn with(options: &[&'static str]) -> Result<Self> {
        let state = tempfile::tempdir()?;
        let (process, port) = serve(0, options, &state).await?;
        let admin = Client::new(format!("http://127.0.0.1:{port}"), Credential::None)?;
        Ok(Self { process, options: options.to_vec(), admin, port, state })
    }

    /// Ends the simulator in good order and starts it again on the same port. It knows everything that it knew, but no
    /// faults.
    pub async fn restart(&mut self) -> Result<()> {
        let status = self.process.terminate().await;
        ensure!(status.success(), "wa-sim ended with {status}");
        (self.process, _) = serve(self.port, &self.options, &self.state).await?;
        Ok(())
    }

    /// Where clients connect.
    pub fn socket_url(&self) -> String {
        format!("ws://127.0.0.1:{}/ws/chat", self.port)
    }

    /// The public key under which the simulator's certificates are signed, in hex.
    pub async fn root_key(&self) -> String {
        text(&self.admin.get("/admin/root-key").await.expect(200).body, "/hex")
    }

    /// Scans a QR code with the phone of `number`.
    pub async fn scan_qr(&self, qr: &str, number: &str) {
        let path = format!("/admin/mock-phone/scan-qr?phone={number}");
        let answer = self.admin.send(self.admin.request(Method::POST, &path).body(qr.to_owned())).await;
        assert!(answer.status.is_success(), "scan-qr: {} {}", answer.status, String::from_utf8_lossy(&answer.bytes));
    }

    /// Types a pairing code into the phone of `number`.
    pub async fn type_pairing_code(&self, code: &str, number: &str) {
        let path = format!("/admin/mock-phone/enter-code?phone={number}");
        let answer = self.admin.send(self.admin.request(Method::POST, &path).body(code.to_owned())).await;
        assert!(answer.status.is_success(), "enter-code: {} {}", answer.status, String::from_utf8_lossy(&answer.bytes));
    }

    /// Adds an account with a phone of its own and no companion.
    pub async fn add_account(&self, number: &str) {
        let answer = self.admin.post("/admin/accounts", &serde_json::json!({"pn": number})).await;
        assert!(answer.status.is_success(), "accounts: {} {}", answer.status, answer.body);
    }

    /// Makes the simulator misbehave: see "Faults" in wa-sim's README.
    pub async fn add_fault(&self, rule: &Value) {
        let answer = self.admin.post("/admin/faults", rule).await;
        assert!(answer.status.is_success(), "faults: {} {}", answer.status, answer.body);
    }

    /// Asks something of the simulator's admin interface by POST: see wa-sim's README.
    pub async fn ask(&self, path: &str, body: &Value) -> Value {
        let answer = self.admin.post(&format!("/admin/{path}"), body).await;
        assert!(answer.status.is_success(), "{path}: {} {}", answer.status, answer.body);
        answer.body
    }

    /// How often somebody tried to log in as `number` since the book was last emptied.
    pub async fn logins(&self, number: &str) -> usize {
        let book = self.admin.get(&format!("/admin/logins?pn={number}")).await.expect(200).body;
        book["accounts"][number].as_array().map_or(0, Vec::len)
    }

    /// Empties the book of logins.
    pub async fn forget_logins(&self) {
        let answer = self.admin.delete("/admin/logins").await;
        assert!(answer.status.is_success(), "logins: {} {}", answer.status, answer.body);
    }

    /// Makes connections behave again.
    pub async fn clear_network(&self) {
        let answer = self.admin.delete("/admin/network").await;
        assert!(answer.status.is_success(), "network: {} {}", answer.status, answer.body);
    }

    /// Makes the simulator behave again.
    pub async fn clear_faults(&self) {
        let answer = self.admin.delete("/admin/faults").await;
        assert!(answer.status.is_success(), "faults: {} {}", answer.status, answer.body);
    }

    /// The texts that others sent to the phone of `number`, in the order in which the server took them.
    pub async fn texts_on_phone(&self, number: &str) -> Vec<String> {
        let inbox = self.admin.get(&format!("/admin/accounts/{number}/inbox")).await.expect(200).body;
        let chats = inbox["chats"].as_array().into_iter().flatten();
        let mut messages: Vec<&Value> = chats.filter_map(|chat| chat["messages"].as_array()).flatten().collect();
        messages.sort_by_key(|message| message["order"].as_u64());
        let of_others = messages.into_iter().filter(|message| message["fromMe"] == false);
        of_others.filter_map(|message| message["text"].as_str().map(str::to_owned)).collect()
    }

    /// The admin interface, to ask what has no method here.
    pub fn admin(&self) -> &Client {
        &self.admin
    }

    /// When each text that others sent to the phone of `number` reached the server, in seconds since 1970, and the text.
    pub async fn arrivals_on_phone(&self, number: &str) -> Vec<(u64, String)> {
        let inbox = self.admin.get(&format!("/admin/accounts/{number}/inbox")).await.expect(200).body;
        let chats = inbox["chats"].as_array().into_iter().flatten();
        let messages = chats.filter_map(|chat| chat["messages"].as_array()).flatten();
        let of_others = messages.filter(|message| message["fromMe"] == false);
        of_others.filter_map(|message| Some((message["t"].as_u64()?, message["text"].as_str()?.to_owned()))).collect()
    }

    /// What the simulator printed.
    pub fn log(&self) -> String {
        self.process.log()
    }
}

async fn serve(port: u16, options: &[&str], state: &TempDir) -> Result<(Process, u16)> {
    let mut command = Command::new(binary("wa-sim", "WA_SIM_BIN")?);
    command.args(["--listen", &format!("127.0.0.1:{port}")]).args(options);
    command.arg("--state").arg(state.path().join("wa-sim.json"));
    let mut process = Process::start("wa-sim", command)?;
    let port = process.wait_for_port().await?;
    Ok((process, port))
}
