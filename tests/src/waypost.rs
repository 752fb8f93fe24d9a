//! The real server as a child process, and what a tenant does with it.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::client::text;
use crate::database::OwnPostgres;
use crate::{Client, Credential, Database, Process, Simulator, binary, eventually, eventually_or_tell};

/// How a server under test is set up.
#[derive(Debug, Clone)]
pub struct Setup {
    database: Database,
    wrapper: Option<&'static str>,
    settings: Vec<(String, String)>,
}

impl Setup {
    /// A server with an empty database of this kind.
    pub fn on(database: Database) -> Self {
        Self { database, wrapper: None, settings: Vec::new() }
    }

    /// With this setting, by its name in the environment.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Started by a shell that runs this script first, in the same process.
    #[must_use]
    pub fn after(mut self, script: &'static str) -> Self {
        self.wrapper = Some(script);
        self
    }

    /// Whose WhatsApp is this simulator.
    #[must_use]
    pub fn talking_to(self, simulator: &Simulator) -> Self {
        self.with("WAYPOST_WHATSAPP_URL", &simulator.socket_url())
    }
}

/// A server under test, with its own data folder and database.
#[derive(Debug)]
pub struct Waypost {
    process: Process,
    setup: Setup,
    client: Client,
    // Dropped after the process: fields go in the order of their declaration.
    postgres: Option<OwnPostgres>,
    data: TempDir,
}

impl Waypost {
    /// Starts `waypost serve` on a free port. Returns when it is ready.
    pub async fn start(setup: Setup) -> Result<Self> {
        let data = tempfile::tempdir()?;
        let postgres = match setup.database {
            Database::Sqlite => None,
            Database::Postgres => Some(OwnPostgres::create(&data).await?),
        };
        let mut process = serve(&setup, "127.0.0.1:0", data.path(), postgres.as_ref())?;
        let port = process.wait_for_port().await?;
        let client = Client::new(format!("http://127.0.0.1:{port}"), Credential::None)?;
        let server = Self { process, setup, client, postgres, data };
        server.wait_ready().await;
        Ok(server)
    }

    /// Starts `waypost serve` in a data folder of its own, which must not come up, and returns what it printed.
    pub async fn refusal(setup: Setup) -> Result<String> {
        let data = tempfile::tempdir()?;
        let mut process = serve(&setup, "127.0.0.1:0", data.path(), None)?;
        let status = process.wait_for_its_word().await;
        assert!(!status.success(), "the server ended with {status}: {}", process.log());
        Ok(process.log())
    }

    /// Waits until the server ends by itself.
    pub async fn ended(&mut self) -> std::process::ExitStatus {
        self.process.wait_for_its_word().await
    }

    /// Ends the server as an operator does.
    pub async fn stop(&mut self) {
        let status = self.process.terminate().await;
        assert!(status.success(), "the server ended with {status}");
    }

    /// Ends the server as an operator does, and starts it again on the same data and port.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await;
        self.start_again().await
    }

    /// Kills the server in the middle of whatever it does, and starts it again on the same data and port.
    pub async fn crash_and_restart(&mut self) -> Result<()> {
        self.crash().await;
        self.start_again().await
    }

    /// Kills the server in the middle of whatever it does.
    pub async fn crash(&mut self) {
        self.process.kill().await;
    }

    /// Starts a server that has ended, on the same data and port. Returns when it is ready.
    pub async fn start_again(&mut self) -> Result<()> {
        let listen = self.client.base.trim_start_matches("http://").to_owned();
        self.process = serve(&self.setup, &listen, self.data.path(), self.postgres.as_ref())?;
        self.process.wait_for_port().await?;
        self.wait_ready().await;
        Ok(())
    }

    async fn wait_ready(&self) {
        eventually("the server to be ready", async || {
            let asked = self.client.try_send(self.client.request(reqwest::Method::GET, "/health/ready")).await;
            asked.ok().filter(|answer| answer.status.is_success())
        })
        .await;
    }

    /// A client without a credential.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Where the server keeps its files.
    pub fn data_folder(&self) -> &Path {
        self.data.path()
    }

    /// The URL of its PostgreSQL database.
    ///
    /// # Panics
    /// When it is set up on another kind.
    pub fn database_url(&self) -> String {
        self.postgres.as_ref().expect("it is set up on PostgreSQL").url()
    }

    /// Its process id, while it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.process.id()
    }

    /// What the server printed since it was last started.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Registers a tenant, by a name that is part of its e-mail.
    pub async fn register(&self, name: &str) -> Result<Tenant> {
        let email = format!("{name}@example.com");
        let body =
            json!({"name": name, "email": email, "password": Tenant::PASSWORD, "businessName": format!("{name} Ltd")});
        let registered = self.client.post("/api/auth/register", &body).await.expect(201).data();
        let person = self.client.with(Credential::Bearer(text(&registered, "/accessToken")));
        let key = person.post("/api/api-keys", &json!({"name": "tests"})).await.expect(201).data();
        let server = self.client.with(Credential::ApiKey(text(&key, "/key")));
        Ok(Tenant { person, server, email, registered })
    }
}

fn serve(setup: &Setup, listen: &str, data: &Path, postgres: Option<&OwnPostgres>) -> Result<Process> {
    let program = binary("waypost", "WAYPOST_BIN")?;
    let mut command = match setup.wrapper {
        None => Command::new(program),
        Some(script) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("{script}; exec \"$0\" \"$@\"")]).arg(program);
            shell
        }
    };
    command.arg("serve").current_dir(data).env_remove("DATABASE_URL");
    // The settings of whoever runs the tests are not the tests'.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("WAYPOST_")) {
        command.env_remove(name);
    }
    command.env("WAYPOST_LISTEN", listen).env("WAYPOST_DATA_DIR", data.join("data"));
    // Tests go past limits again and again.
    command.env("WAYPOST_REFUSAL_PAUSE", "0s");
    // A simulator bans nobody; a test that is about the pace sets it.
    command.env("WAYPOST_PACING", "off");
    // Tests register as many tenants as they need; one that is about the first tenant sets it.
    command.env("WAYPOST_REGISTRATION_OPEN", "true");
    if let Some(postgres) = postgres {
        command.env("DATABASE_URL", postgres.url());
    }
    command.envs(setup.settings.iter().map(|(name, value)| (name, value)));
    Process::start("waypost", command).context("the server under test")
}

/// A tenant with its owner's access token and an API key.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// The owner, by access token: everything but `/api/external`.
    pub person: Client,
    /// The tenant's own server, by API key: `/api/external`.
    pub server: Client,
    /// The owner's e-mail.
    pub email: String,
    /// What the registration answered.
    pub registered: Value,
}

impl Tenant {
    /// Every owner's password.
    pub const PASSWORD: &str = "correct horse battery staple";

    /// Creates a session of `engine`, not connected, and returns its id.
    pub async fn create_session(&self, name: &str, engine: &str) -> String {
        let body = json!({"name": name, "engine": engine});
        text(&self.person.post("/api/v1/whatsapp", &body).await.expect(201).data(), "/id")
    }

    /// Creates a sandbox session and connects it.
    pub async fn sandbox(&self) -> String {
        let session = self.create_session("sandbox", "sandbox").await;
        self.connect(&session).await;
        self.wait_session(&session, "connected").await;
        session
    }

    /// Creates a session and links it to the simulator's phone of `number`, by QR code.
    pub async fn link(&self, simulator: &Simulator, number: &str) -> String {
        let session = self.create_session("wire", "whatsapp").await;
        self.connect(&session).await;
        let qr = eventually("a QR code", async || {
            let answer = self.person.get(&format!("/api/v1/whatsapp/{session}/qr")).await;
            answer.status.is_success().then(|| text(&answer.body, "/data/qr"))
        })
        .await;
        simulator.scan_qr(&qr, number).await;
        self.wait_session(&session, "connected").await;
        session
    }

    /// Asks for a connection and returns the answer's data.
    pub async fn connect(&self, session: &str) -> Value {
        self.person.post(&format!("/api/v1/whatsapp/{session}/connect"), &json!({})).await.data()
    }

    /// Closes a connection.
    pub async fn disconnect(&self, session: &str) {
        self.person.post(&format!("/api/v1/whatsapp/{session}/disconnect"), &json!({})).await.data();
    }

    /// The session.
    pub async fn session(&self, session: &str) -> Value {
        self.person.get(&format!("/api/v1/whatsapp/{session}")).await.data()
    }

    /// Waits until a session is in a state.
    pub async fn wait_session(&self, session: &str, status: &str) -> Value {
        eventually_or_tell(&format!("the session to be {status}"), async || {
            let found = self.session(session).await;
            if found["status"] == status { Ok(found) } else { Err(found.to_string()) }
        })
        .await
    }

    /// Sends a text by API key and returns the message's id.
    pub async fn send_text(&self, session: &str, to: &str, message: &str) -> String {
        let body = json!({"sessionId": session, "to": to, "text": message});
        text(&self.server.post("/api/external/messages/send-text", &body).await.expect(200).data(), "/id")
    }

    /// The message.
    pub async fn message(&self, id: &str) -> Value {
        self.person.get(&format!("/api/messages/{id}")).await.data()
    }

    /// Waits until a message has a status.
    ///
    /// # Panics
    /// When it fails or is canceled instead, or does not get there in time.
    pub async fn wait_message(&self, id: &str, status: &str) -> Value {
        eventually_or_tell(&format!("message {id} to be {status}"), async || {
            let message = self.message(id).await;
            let now = message["status"].as_str().unwrap_or_default();
            let ended = matches!(now, "failed" | "canceled") && now != status;
            assert!(!ended, "the message was to be {status} and is {message}");
            if now == status { Ok(message) } else { Err(message.to_string()) }
        })
        .await
    }

    /// Waits until a message with this text came in to a session.
    pub async fn wait_inbound(&self, session: &str, wanted: &str) -> Value {
        eventually("an inbound message", async || {
            let path = format!("/api/messages?sessionId={session}&direction=inbound&limit=100");
            let list = self.person.get(&path).await.data();
            list.as_array()?.iter().find(|message| message["text"] == wanted).cloned()
        })
        .await
    }

    /// The statuses of a message's timeline, in order.
    pub fn timeline(message: &Value) -> Vec<String> {
        let steps = message["timeline"].as_array().expect("a message has a timeline");
        steps.iter().map(|step| text(step, "/status")).collect()
    }
}
