//! A gateway with a database of its own, on the scripted network.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use waypost_domain::{
    Content, EngineKind, Env, Message, MessageId, MessageStatus, Role, Session, SessionId, SessionStatus, Tenant,
    TenantId, Timestamp, User,
};
use waypost_gateway::{
    Gateway, GatewayConfig, GatewayError,
    lists::{MessageFilter, PageRequest},
    loops::Loops,
    messages::SendMessage,
};
use waypost_store::{MasterKey, NewAccount, Store, StoreConfig};

use crate::network::Network;

/// How long a test waits for what it waits for.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct World {
    pub gateway: Gateway,
    pub network: Arc<Network>,
    pub store: Store,
    pub tenant: TenantId,
    pub env: Env,
    config: GatewayConfig,
    shutdown: CancellationToken,
    loops: Option<Loops>,
    folder: TempDir,
}

/// Acknowledgements are overdue soon.
pub fn impatient() -> GatewayConfig {
    GatewayConfig { ack_timeout: Duration::from_millis(100), ..GatewayConfig::default() }
}

impl World {
    pub async fn new() -> Self {
        Self::with(GatewayConfig::default()).await
    }

    pub async fn with(config: GatewayConfig) -> Self {
        Self::in_time(config, Env::system()).await
    }

    /// Whose time is `env`'s.
    pub async fn in_time(config: GatewayConfig, env: Env) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder, &env).await;
        let network = Network::new(env.clone());
        let tenant = account(&store, &env).await;
        let gateway = gateway(&store, &network, &env, &config);
        let shutdown = CancellationToken::new();
        let loops = Some(gateway.start(shutdown.clone()).await.unwrap());
        Self { gateway, network, store, tenant, env, config, shutdown, loops, folder }
    }

    /// Stops the gateway in order.
    pub async fn stop(&mut self) {
        self.shutdown.cancel();
        self.loops.take().unwrap().stopped().await;
        self.store.close().await;
    }

    /// Opens the same database in a new gateway, before its loops are started.
    pub async fn reopen(&mut self) {
        self.store = open(&self.folder, &self.env).await;
        self.gateway = gateway(&self.store, &self.network, &self.env, &self.config);
        self.shutdown = CancellationToken::new();
    }

    pub async fn start(&mut self) {
        self.loops = Some(self.gateway.start(self.shutdown.clone()).await.unwrap());
    }

    pub async fn other_tenant(&self) -> TenantId {
        account(&self.store, &self.env).await
    }

    /// A new session, disconnected.
    pub async fn session(&self) -> SessionId {
        let view = self.gateway.create_session(self.tenant, "sales".to_owned(), EngineKind::Whatsapp).await.unwrap();
        view.session.id
    }

    /// A new session, linked and connected.
    pub async fn connected_session(&self) -> SessionId {
        let session = self.session().await;
        self.gateway.connect_session(self.tenant, session).await.unwrap();
        self.network.scan(session, "14155550100");
        self.until_session(session, SessionStatus::Connected).await;
        session
    }

    pub async fn send(&self, session: SessionId, to: &str, text: &str) -> MessageId {
        self.try_send(session, to, text, false).await.unwrap()
    }

    pub async fn try_send(
        &self,
        session_id: SessionId,
        to: &str,
        text: &str,
        require_connected: bool,
    ) -> Result<MessageId, GatewayError> {
        let message = SendMessage { require_connected, ..text_message(session_id, to, text) };
        self.gateway.accept_message(self.tenant, message).await.map(|accepted| accepted.id)
    }

    /// Accepts a text with times of its own.
    pub async fn send_at(
        &self,
        session_id: SessionId,
        to: &str,
        text: &str,
        send_at: Option<Timestamp>,
        expires_at: Option<Timestamp>,
    ) -> Result<MessageId, GatewayError> {
        let message = SendMessage { send_at, expires_at, ..text_message(session_id, to, text) };
        self.gateway.accept_message(self.tenant, message).await.map(|accepted| accepted.id)
    }

    /// How many messages the tenant has.
    pub async fn messages(&self) -> usize {
        let page = PageRequest::Number { page: 1, limit: 100 };
        self.gateway.list_messages(self.tenant, MessageFilter::default(), page).await.unwrap().items.len()
    }

    pub async fn message(&self, id: MessageId) -> Message {
        self.gateway.get_message(self.tenant, id).await.unwrap()
    }

    /// Waits until the message has this status.
    pub async fn until(&self, id: MessageId, status: MessageStatus) -> Message {
        self.until_message(id, &format!("status {status}"), |message| message.status() == status).await
    }

    pub async fn until_message(&self, id: MessageId, what: &str, condition: impl Fn(&Message) -> bool) -> Message {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let message = self.message(id).await;
            if condition(&message) {
                return message;
            }
            assert!(Instant::now() < deadline, "waited in vain for {what}: {message:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub async fn until_session(&self, id: SessionId, status: SessionStatus) -> Session {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let session = self.gateway.get_session(self.tenant, id).await.unwrap().session;
            let memory = self.gateway.session_status(self.tenant, id).await.unwrap();
            if session.status == status && memory == status {
                return session;
            }
            assert!(Instant::now() < deadline, "waited in vain for {status}: {session:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl World {
    /// Waits until the session's last error has this code.
    pub async fn until_error(&self, id: SessionId, code: &str) -> Session {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let session = self.gateway.get_session(self.tenant, id).await.unwrap().session;
            if session.last_error.as_ref().is_some_and(|error| error.code == code) {
                return session;
            }
            assert!(Instant::now() < deadline, "waited in vain for {code}: {session:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// The statuses in a message's timeline.
pub fn steps(message: &Message) -> Vec<MessageStatus> {
    message.timeline.iter().map(|entry| entry.status).collect()
}

fn text_message(session_id: SessionId, to: &str, text: &str) -> SendMessage {
    SendMessage {
        session_id,
        to: to.parse().unwrap(),
        content: Content::Text { text: text.to_owned() },
        client_reference: None,
        require_connected: false,
        send_at: None,
        expires_at: None,
        check_number: false,
        idempotency: None,
    }
}

async fn open(folder: &TempDir, env: &Env) -> Store {
    let config = StoreConfig {
        database_url: format!("sqlite://{}/waypost.db", folder.path().display()).parse().unwrap(),
        master_key: MasterKey::new([7; 32]),
        max_connections: 4,
    };
    Store::open(&config, env.clone()).await.unwrap()
}

fn gateway(store: &Store, network: &Arc<Network>, env: &Env, config: &GatewayConfig) -> Gateway {
    Gateway::new(store.clone(), vec![network.clone()], env.clone(), config.clone())
}

async fn account(store: &Store, env: &Env) -> TenantId {
    let tenant = Tenant { id: env.new_id(), name: "Acme".to_owned(), trial_ends_at: env.now(), created_at: env.now() };
    let id = tenant.id;
    let owner = User {
        id: env.new_id(),
        tenant_id: id,
        email: format!("ada@{id}.example.com").parse().unwrap(),
        name: "Ada".to_owned(),
        role: Role::Owner,
        created_at: env.now(),
    };
    store.create_account(NewAccount { tenant, owner, password_hash: "-".to_owned() }, false).await.unwrap();
    id
}
