//! A real Baileys client: `baileys/client.mjs` as a child process, driven by JSON lines.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::{ChildStdin, Command};

use crate::client::text;
use crate::{DEADLINE, Process, Simulator, repository};

/// One WhatsApp account in the hands of Baileys.
#[derive(Debug)]
pub struct Baileys {
    process: Process,
    stdin: ChildStdin,
    number: String,
    sequence: u64,
    events: Vec<Value>,
    _credentials: TempDir,
}

/// A message as Baileys shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its id on the wire.
    pub id: String,
    /// The chat it is in.
    pub chat: String,
    /// Whether this account wrote it.
    pub from_me: bool,
    /// Its text; none while it cannot be decrypted.
    pub text: Option<String>,
}

impl Baileys {
    /// Starts a client and pairs it with the simulator's phone of `number`. Returns when it is connected.
    pub async fn pair(simulator: &Simulator, number: &str) -> Result<Self> {
        let mut client = Self::start(simulator, number).await?;
        client.command(json!({"cmd": "connect"})).await;
        let qr = client.wait_event("a QR code", 0, |event| (event["event"] == "qr").then(|| text(event, "/qr"))).await;
        simulator.scan_qr(&qr, number).await;
        client.wait_open(0).await;
        Ok(client)
    }

    /// Starts a client, not connected.
    pub async fn start(simulator: &Simulator, number: &str) -> Result<Self> {
        let folder = repository().join("tests/baileys");
        if !folder.join("node_modules").exists() {
            bail!("tests/baileys/node_modules is missing. `make test` installs it; or run `npm ci` in tests/baileys");
        }
        let credentials = tempfile::tempdir()?;
        let mut command = Command::new("node");
        command.arg(folder.join("client.mjs"));
        command.args(["--url", &simulator.socket_url(), "--root-key", &simulator.root_key().await]);
        command.args(["--push-name", &format!("Baileys {number}")]).arg("--creds").arg(credentials.path());
        let mut process = Process::start("Baileys", command).context("Node.js 20 or newer must be on the PATH")?;
        let stdin = process.take_stdin()?;
        Ok(Self {
            process,
            stdin,
            number: number.to_owned(),
            sequence: 0,
            events: Vec::new(),
            _credentials: credentials,
        })
    }

    /// The account's number.
    pub fn number(&self) -> &str {
        &self.number
    }

    /// Closes the connection and keeps the credentials.
    pub async fn disconnect(&mut self) {
        self.command(json!({"cmd": "disconnect"})).await;
    }

    /// Connects with the stored credentials. Returns when it is connected.
    pub async fn reconnect(&mut self) {
        let mark = self.mark();
        self.command(json!({"cmd": "connect"})).await;
        self.wait_open(mark).await;
    }

    /// Sends a text and returns its id on the wire.
    pub async fn send(&mut self, to: &str, text_to_send: &str) -> String {
        let answer = self.command(json!({"cmd": "send", "to": to, "text": text_to_send})).await;
        text(&answer, "/id")
    }

    /// Says that these messages were seen.
    pub async fn read(&mut self, ids: &[&str]) {
        self.command(json!({"cmd": "read", "ids": ids})).await;
    }

    /// Waits until a message with this text came from somebody else.
    pub async fn wait_text(&mut self, wanted: &str) -> Seen {
        let shown: String = wanted.chars().take(60).collect();
        self.wait_event(&format!("a message {shown:?}"), 0, |event| {
            seen(event).filter(|message| !message.from_me && message.text.as_deref() == Some(wanted))
        })
        .await
    }

    /// Every text that came from somebody else so far, in the order in which Baileys showed them.
    pub fn texts(&self) -> Vec<Seen> {
        self.events.iter().filter_map(seen).filter(|it| !it.from_me && it.text.is_some()).collect()
    }

    /// How many events came so far: what [`Baileys::wait_event`] takes to look at later ones only.
    pub fn mark(&self) -> usize {
        self.events.len()
    }

    /// Waits until an event from `mark` on is one that `pick` takes.
    ///
    /// # Panics
    /// With `what` when the deadline is over.
    pub async fn wait_event<T>(&mut self, what: &str, mark: usize, pick: impl Fn(&Value) -> Option<T>) -> T {
        let search = async {
            let mut at = mark;
            loop {
                while at < self.events.len() {
                    if let Some(found) = pick(&self.events[at]) {
                        return found;
                    }
                    at += 1;
                }
                let line = self.next_line().await;
                self.events.push(line);
            }
        };
        let found = tokio::time::timeout(DEADLINE, search).await.ok();
        found.unwrap_or_else(|| panic!("Baileys waited {DEADLINE:?} in vain for {what}; it saw {:#?}", self.events))
    }

    /// Gives a command and returns its answer; what else comes meanwhile is kept.
    pub async fn command(&mut self, mut command: Value) -> Value {
        self.sequence += 1;
        command["seq"] = self.sequence.into();
        let line = format!("{command}\n");
        self.stdin.write_all(line.as_bytes()).await.expect("Baileys runs and reads commands");
        let answer = async {
            loop {
                let line = self.next_line().await;
                if line["seq"] == self.sequence {
                    return line;
                }
                self.events.push(line);
            }
        };
        let answer = tokio::time::timeout(DEADLINE, answer).await;
        let answer = answer.unwrap_or_else(|_| panic!("Baileys did not answer {command}"));
        assert_eq!(answer["ok"], true, "Baileys answered {command} with {answer}");
        answer
    }

    async fn wait_open(&mut self, mark: usize) {
        self.wait_event("its connection", mark, |event| (event["event"] == "open").then_some(())).await;
    }

    async fn next_line(&mut self) -> Value {
        let line = self.process.next_line().await.expect("Baileys runs");
        serde_json::from_str(&line).unwrap_or_else(|_| json!({"event": "noise", "line": line}))
    }
}

fn seen(event: &Value) -> Option<Seen> {
    let message = event.get("message").filter(|_| event["event"] == "message")?;
    Some(Seen {
        id: text(message, "/id"),
        chat: text(message, "/chat"),
        from_me: message["fromMe"] == true,
        text: message["text"].as_str().map(str::to_owned),
    })
}
