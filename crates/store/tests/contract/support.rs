//! A fresh database for each case, dropped at its end.

use std::{
    future::Future,
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use futures::FutureExt;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, Statement};
use tempfile::TempDir;
use uuid::Uuid;
use waypost_domain::{
    Content, EngineKind, Env, Inbound, Jid, MessageId, MessageStatus, Session, SessionId, StatusChange, TenantId,
    Timestamp, WaMessageId,
    env::{ManualClock, SystemEntropy},
};
use waypost_store::{
    Evidence, EvidenceOutcome, MasterKey, MessageRef, NewInbound, NewOutbound, NewSession, Store, StoreConfig,
    StoreError,
};

/// When the clock of every case starts.
pub const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Runs a case on both databases, as `<name>::sqlite` and `<name>::postgres`.
macro_rules! on_both_databases {
    ($(async fn $name:ident($db:ident: &$database:ty) $body:block)+) => {$(
        mod $name {
            use super::*;

            async fn case($db: &$database) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                crate::support::run(crate::support::TestDatabase::sqlite().await, case).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                crate::support::run(crate::support::TestDatabase::postgres().await, case).await;
            }
        }
    )+};
}

/// A database of one case.
pub struct TestDatabase {
    pub store: Store,
    pub config: StoreConfig,
    pub env: Env,
    pub url: String,
    /// Where it is: SQLite's file, or the name of PostgreSQL's database.
    place: Place,
    time: AtomicI64,
}

enum Place {
    Sqlite(TempDir),
    Postgres(String),
}

/// Runs the case, closes and drops the database, and only then fails if the case failed.
pub async fn run(database: TestDatabase, case: impl AsyncFn(&TestDatabase)) {
    let result = AssertUnwindSafe(case(&database)).catch_unwind().await;
    database.store.close().await;
    if let Place::Postgres(name) = &database.place {
        administer(&format!("DROP DATABASE {name} WITH (FORCE)")).await;
    }
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

impl TestDatabase {
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("waypost.db").display());
        Self::open(&url, Place::Sqlite(folder)).await
    }

    pub async fn postgres() -> Self {
        let name = format!("waypost_test_{}", Env::system().new_id::<Uuid>().simple());
        administer(&format!("CREATE DATABASE {name}")).await;
        let (server, _) = postgres_url().rsplit_once('/').unwrap();
        let url = format!("{server}/{name}");
        Self::open(&url, Place::Postgres(name)).await
    }

    async fn open(url: &str, place: Place) -> Self {
        let env = Env::new(ManualClock::at(START), SystemEntropy);
        let config = StoreConfig {
            database_url: url.parse().unwrap(),
            master_key: MasterKey::new([42; 32]),
            max_connections: 4,
        };
        let store = Store::open(&config, env.clone()).await.unwrap();
        Self { store, config, env, url: url.to_owned(), place, time: AtomicI64::new(START.as_millis()) }
    }

    /// Another store on the same database, as a second process or a restart has it.
    pub async fn reopen(&self) -> Store {
        Store::open(&self.config, self.env.clone()).await.unwrap()
    }

    /// SQLite's file; `None` on PostgreSQL.
    pub fn file(&self) -> Option<PathBuf> {
        match &self.place {
            Place::Sqlite(folder) => Some(folder.path().join("waypost.db")),
            Place::Postgres(_) => None,
        }
    }

    /// A connection past the store, for tests that look at the tables or break them.
    pub async fn raw(&self) -> DatabaseConnection {
        Database::connect(&self.url).await.unwrap()
    }

    /// A time after all earlier ones.
    pub fn tick(&self) -> Timestamp {
        Timestamp::from_millis(self.time.fetch_add(1000, Ordering::SeqCst) + 1000)
    }

    pub fn tenant(&self) -> TenantId {
        self.env.new_id()
    }

    pub async fn session(&self, tenant: TenantId) -> Session {
        let session = NewSession {
            id: self.env.new_id(),
            tenant_id: tenant,
            name: "Front desk".to_owned(),
            engine: EngineKind::Sandbox,
            created_at: self.tick(),
        };
        self.store.create_session(session).await.unwrap()
    }

    /// An outbound text that is not accepted yet.
    pub fn outbound(&self, tenant: TenantId, session: SessionId, to: &str) -> NewOutbound {
        NewOutbound {
            id: self.env.new_id(),
            tenant_id: tenant,
            session_id: session,
            wa_id: self.env.new_wa_message_id(),
            to: to.to_owned(),
            remote_jid: jid(to),
            content: Content::Text { text: "Hello".to_owned() },
            client_reference: None,
            send_at: None,
            expires_at: None,
            created_at: self.tick(),
        }
    }

    /// An accepted text.
    pub async fn accepted(&self, tenant: TenantId, session: SessionId, to: &str) -> NewOutbound {
        let message = self.outbound(tenant, session, to);
        self.store.accept_message(message.clone()).await.unwrap();
        message
    }

    /// An inbound text that is not stored yet.
    pub fn inbound(&self, tenant: TenantId, session: SessionId, wa_id: &str) -> NewInbound {
        let received_at = self.tick();
        NewInbound {
            id: self.env.new_id(),
            tenant_id: tenant,
            session_id: session,
            inbound: Inbound {
                wa_id: WaMessageId::from(wa_id.to_owned()),
                chat: jid("919876543210"),
                sender: jid("919876543210"),
                sender_alt: None,
                from_me: false,
                push_name: Some("Ada".to_owned()),
                sent_at: received_at.minus(Duration::from_secs(2)),
                content: Content::Text { text: "Hi there".to_owned() },
            },
            to: Some("14155550100".to_owned()),
            received_at,
        }
    }

    /// Applies one change to a message by our id.
    pub async fn advance(&self, session: SessionId, id: MessageId, change: StatusChange) -> EvidenceOutcome {
        let evidence = Evidence { session_id: session, message: MessageRef::Id(id), change, at: self.tick() };
        self.store.record_evidence_system(vec![evidence]).await.unwrap()[0]
    }

    pub async fn advance_to(&self, session: SessionId, id: MessageId, status: MessageStatus) -> EvidenceOutcome {
        self.advance(session, id, StatusChange::To(status)).await
    }

    pub async fn status(&self, tenant: TenantId, id: MessageId) -> MessageStatus {
        self.store.message(tenant, id).await.unwrap().unwrap().status()
    }
}

/// The account with this number.
pub fn jid(number: &str) -> Jid {
    format!("{number}@s.whatsapp.net").parse().unwrap()
}

/// Runs SQL past the store.
pub async fn execute(connection: &DatabaseConnection, sql: &str) {
    connection.execute_unprepared(sql).await.unwrap();
}

/// One number, asked past the store.
pub async fn count(connection: &DatabaseConnection, sql: &str) -> i64 {
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    connection.query_one_raw(statement).await.unwrap().unwrap().try_get_by_index(0).unwrap()
}

/// Waits until `condition` holds.
pub async fn eventually<F: Future<Output = bool>>(condition: impl Fn() -> F) {
    tokio::time::timeout(Duration::from_secs(30), async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the condition never held");
}

pub fn is_unavailable<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Unavailable(_)))
}

async fn administer(sql: &str) {
    let connection = Database::connect(postgres_url()).await.unwrap();
    // CREATE DATABASE copies a template, which takes turns: many cases start at once.
    for attempt in 0.. {
        match connection.execute_unprepared(sql).await {
            Ok(_) => break,
            Err(error) if attempt < 200 && error.to_string().contains("being accessed by other users") => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error) => panic!("{sql}: {error}"),
        }
    }
    connection.close().await.unwrap();
}

/// An administrator's URL of a running server. Fails with a sentence that says what to install where there is none.
pub fn postgres_url() -> &'static str {
    static URL: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    URL.get_or_init(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/test-postgres.sh");
        let output = Command::new(script).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    })
}
