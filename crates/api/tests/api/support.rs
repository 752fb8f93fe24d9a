//! An API to call, and accounts to call it with.

use std::{
    net::SocketAddr,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::{HeaderMap, Method, Request, StatusCode, header},
    response::Response,
};
use secrecy::SecretBox;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;
use waypost_accounts::{Accounts, AccountsConfig, RegistrationOpen};
use waypost_api::ApiConfig;
use waypost_domain::{Email, Env, Role, Tenant, Timestamp, User, env::ManualClock, env::SystemEntropy};
use waypost_engine::{
    Engine,
    sandbox::{MemoryMailbox, SandboxDelays, SandboxEngine},
};
use waypost_gateway::{Gateway, GatewayConfig};
use waypost_store::{MasterKey, NewAccount, Store, StoreConfig};

use crate::unlinked::UnlinkedEngine;

/// The time at which every test starts.
pub const START: Timestamp = Timestamp::from_secs(1_800_000_000);

/// The operator's token.
pub const OPERATOR: &str = "0123456789abcdef0123456789abcdef";

/// An API with a database of its own.
pub struct Api {
    router: Router,
    store: Store,
    pub clock: ManualClock,
    accounts: AtomicU32,
    _folder: TempDir,
}

/// How an API is configured.
#[derive(Default)]
pub struct Setup {
    pub accounts: AccountsConfig,
    pub gateway: GatewayConfig,
    pub api: ApiConfig,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// How a caller comes in.
#[derive(Debug, Clone, Copy)]
pub enum Credential<'a> {
    None,
    Token(&'a str),
    Key(&'a str),
}

/// A tenant with all that it can have.
pub struct Account {
    pub token: String,
    pub refresh_token: String,
    pub key: String,
    pub key_id: String,
    pub session: String,
    pub email: String,
}

impl Api {
    pub async fn start() -> Self {
        let accounts = AccountsConfig { operator_token: Some(OPERATOR.into()), ..AccountsConfig::default() };
        Self::with(Setup { accounts, ..Setup::default() }).await
    }

    /// Open to everyone who registers, unless the configuration closes it, and without a pause before a refusal.
    pub async fn with(mut setup: Setup) -> Self {
        if setup.accounts.registration_open == RegistrationOpen::First {
            setup.accounts.registration_open = RegistrationOpen::Yes;
        }
        setup.api.refusal_pause = Duration::ZERO;
        Self::exactly(setup).await
    }

    /// As configured.
    pub async fn exactly(setup: Setup) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::at(START);
        let env = Env::new(clock.clone(), SystemEntropy);
        let config = StoreConfig {
            database_url: format!("sqlite://{}", folder.path().join("waypost.db").display()).parse().unwrap(),
            master_key: MasterKey::new([7; 32]),
            max_connections: 2,
        };
        let store = Store::open(&config, env.clone()).await.unwrap();
        let sandbox = SandboxEngine::new(SandboxDelays::NONE, Arc::new(MemoryMailbox::default()), env.clone());
        let engines: Vec<Arc<dyn Engine>> = vec![Arc::new(sandbox), Arc::new(UnlinkedEngine)];
        let key = SecretBox::new(Box::new([9; 32]));
        let accounts = Accounts::new(store.clone(), env.clone(), setup.accounts, key);
        let gateway = Gateway::new(store.clone(), engines, env, setup.gateway);
        let loops = gateway.start(tokio_util::sync::CancellationToken::new()).await.unwrap();
        // They run until the test's runtime ends.
        drop(loops);
        let router = waypost_api::router(accounts, gateway, setup.api);
        Self { router, store, clock, accounts: AtomicU32::new(0), _folder: folder }
    }

    /// The answer as it goes to the server, its body still to be read.
    pub async fn answer(&self, request: Request<Body>) -> Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.answer(request).await.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub async fn get(&self, path: &str, credential: Credential<'_>) -> Answer {
        self.send(request(Method::GET, path, credential, Body::empty())).await
    }

    pub async fn delete(&self, path: &str, credential: Credential<'_>) -> Answer {
        self.send(request(Method::DELETE, path, credential, Body::empty())).await
    }

    pub async fn post(&self, path: &str, credential: Credential<'_>, body: Value) -> Answer {
        let mut request = request(Method::POST, path, credential, Body::from(body.to_string()));
        request.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
        self.send(request).await
    }

    pub async fn patch(&self, path: &str, credential: Credential<'_>, body: Value) -> Answer {
        let mut request = request(Method::PATCH, path, credential, Body::from(body.to_string()));
        request.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
        self.send(request).await
    }

    /// Registers a tenant; gives it a key and a sandbox session.
    pub async fn account(&self) -> Account {
        let number = self.accounts.fetch_add(1, Ordering::Relaxed);
        let email = format!("ada{number}@example.com");
        let registered = self.register(&email).await.data(StatusCode::CREATED);
        let token = registered["accessToken"].as_str().unwrap().to_owned();
        let person = Credential::Token(&token);
        let key = self.post("/api/api-keys", person, json!({ "name": "shop" })).await.data(StatusCode::CREATED);
        let session = json!({ "name": "shop", "engine": "sandbox" });
        let session = self.post("/api/v1/whatsapp", person, session).await.data(StatusCode::CREATED);
        Account {
            refresh_token: string(&registered["refreshToken"]),
            key: string(&key["key"]),
            key_id: string(&key["id"]),
            session: string(&session["id"]),
            token,
            email,
        }
    }

    pub async fn register(&self, email: &str) -> Answer {
        let body = json!({ "name": "Ada", "email": email, "password": "correct horse", "businessName": "Engines" });
        self.post("/api/auth/register", Credential::None, body).await
    }

    /// The access token of a person with this role, in a tenant of their own.
    pub async fn person(&self, role: Role) -> String {
        let owner: Email = self.account().await.email.parse().unwrap();
        let stored = self.store.password_by_email_system(&owner).await.unwrap().unwrap();
        let (_, tenant) = self.store.user(stored.user.tenant_id, stored.user.id).await.unwrap().unwrap();
        let env = Env::system();
        let tenant = Tenant { id: env.new_id(), ..tenant };
        let email = format!("{}-{owner}", role.as_str(), owner = owner.as_str());
        let person =
            User { id: env.new_id(), tenant_id: tenant.id, email: email.parse().unwrap(), role, ..stored.user };
        let account = NewAccount { tenant, owner: person, password_hash: stored.password_hash };
        self.store.create_account(account, false).await.unwrap();
        string(&self.login(&email, "correct horse").await.data(StatusCode::OK)["accessToken"])
    }

    pub async fn login(&self, email: &str, password: &str) -> Answer {
        self.post("/api/auth/login", Credential::None, json!({ "email": email, "password": password })).await
    }

    /// Sends a text, and gives the message's id.
    pub async fn text(&self, account: &Account, to: &str, text: &str) -> String {
        let body = json!({ "sessionId": account.session, "to": to, "text": text });
        let sent = self.post("/api/messages/send-text", account.person(), body).await.data(StatusCode::OK);
        string(&sent["id"])
    }

    /// Asks again and again until the answer is as it should be; 10 s at most.
    pub async fn until(&self, path: &str, credential: Credential<'_>, good: impl Fn(&Value) -> bool) -> Value {
        let asking = async {
            loop {
                let data = self.get(path, credential).await.data(StatusCode::OK);
                if good(&data) {
                    return data;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), asking).await.expect("what was waited for did not come")
    }

    /// Sends a request from this address, as the server tells it.
    pub async fn send_from(&self, address: [u8; 4], mut request: Request<Body>) -> Answer {
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from((address, 1))));
        self.send(request).await
    }

    /// POSTs from this address.
    pub async fn post_from(&self, address: [u8; 4], path: &str, body: Value) -> Answer {
        let mut request = request(Method::POST, path, Credential::None, Body::from(body.to_string()));
        request.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
        self.send_from(address, request).await
    }

    /// Writes past the store, as another version of Waypost would have.
    pub async fn write(&self, sql: &str) {
        let file = self.store.file().await.unwrap().unwrap();
        let script = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=30).executescript(sys.argv[2])";
        assert!(Command::new("python3").args(["-c", script]).arg(file).arg(sql).status().unwrap().success());
    }

    /// Makes every further use of the database fail.
    pub async fn break_database(&self) {
        self.store.close().await;
    }
}

impl Account {
    pub fn person(&self) -> Credential<'_> {
        Credential::Token(&self.token)
    }

    pub fn server(&self) -> Credential<'_> {
        Credential::Key(&self.key)
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// The data of a success.
    #[track_caller]
    pub fn data(&self, status: StatusCode) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        let body = self.json();
        assert_eq!(body["success"], true);
        body["data"].clone()
    }

    /// The envelope of a failure, without the request's id, which is checked.
    #[track_caller]
    pub fn error(&self, status: StatusCode, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/json");
        let mut body = self.json();
        assert_eq!(body["success"], false, "{body}");
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["requestId"], self.headers["x-request-id"].to_str().unwrap(), "{body}");
        body.as_object_mut().unwrap().remove("requestId");
        body
    }

    /// The one field that a validation error names, and its sentence.
    #[track_caller]
    pub fn field_error(&self, field: &str) -> String {
        let body = self.error(StatusCode::BAD_REQUEST, "VALIDATION_ERROR");
        let errors = body["errors"].as_object().unwrap();
        assert_eq!(errors.keys().collect::<Vec<_>>(), [field], "{body}");
        string(&errors[field])
    }
}

pub fn request(method: Method, path: &str, credential: Credential<'_>, body: Body) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    let request = match credential {
        Credential::None => request,
        Credential::Token(token) => request.header(header::AUTHORIZATION, format!("Bearer {token}")),
        Credential::Key(key) => request.header("X-API-Key", key),
    };
    request.body(body).unwrap()
}

pub fn string(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a string: {value}")).to_owned()
}
