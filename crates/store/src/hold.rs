//! One process, one database, on PostgreSQL: a lock that the database itself holds for the life of a session.
//!
//! The lock belongs to the session of the *writer's* connection, the only one that changes anything. So nothing can be
//! committed without it: if the connection is lost, the lock is lost with it, and so is the transaction. A new
//! connection takes the lock again before it is used; until it has it, whatever is to be written is answered
//! [`StoreError::Unavailable`](crate::StoreError). If another process has the lock by then, this one must stop.
//!
//! A connection whose other end went silent may leave a session behind on the server, which holds the lock until the
//! server finds out (within [`SILENCE`]). The session that was ours is known by its process and start, and is ended.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, Row, postgres::PgRow};
use tokio::{sync::watch, task::JoinHandle, time::timeout};

use crate::{database, url::Postgres};

/// The first half of the lock's number, "Waypost" on a telephone's keys, and two; the other half is the schema.
const LOCK: i64 = 9_297_680;
/// How long a session that ends may still have the lock: the one of a process that was killed a moment ago.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is asked for meanwhile.
const AGAIN: Duration = Duration::from_millis(50);
/// How often an idle writer's connection is tried.
const LOOK: Duration = Duration::from_secs(1);
/// How long the server may take for the answer.
const ANSWER: Duration = Duration::from_secs(3);
/// How many looks in a row may find the writer busy before another connection asks who has the lock.
const BUSY_LOOKS: u32 = 2;
/// After how many seconds without an answer the server gives up a session, and its lock: longer than a process needs to
/// see that it is alone.
const SILENCE: [(&str, &str); 4] = [
    ("tcp_keepalives_idle", "5"),
    ("tcp_keepalives_interval", "2"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "11000"),
];

/// Settings of the session that holds the lock.
pub(crate) fn settings() -> impl Iterator<Item = (&'static str, &'static str)> {
    SILENCE.into_iter()
}

/// Why this process may not go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// Another process has the database now.
    #[error("another waypost uses this database: {0}. One process has a database at a time: stop that one first")]
    Taken(String),
    /// Something between us and the server gives our session to others.
    #[error(
        "a connection pooler such as PgBouncer gives Waypost's session to others between transactions. Set pool_mode=session for it, or connect to PostgreSQL itself"
    )]
    Pooler,
}

/// Where the lock is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// This process has none: there is no connection, or it is being made.
    Away,
    /// The newest connection of the writer has it.
    Held,
    /// It will not come back.
    Lost(Loss),
}

/// A session of the server: its process may have its number from an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Session {
    pid: i32,
    started: String,
}

/// A lock that is looked after until this is dropped.
#[derive(Debug)]
pub(crate) struct Watched {
    pub hold: Arc<Hold>,
    watch: JoinHandle<()>,
}

impl Watched {
    /// Has a task look after the lock of this pool's connection.
    pub fn new(hold: Arc<Hold>, pool: PgPool, place: Postgres) -> Self {
        let watch = tokio::spawn(hold.clone().watch(pool, place));
        Self { hold, watch }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // It has the pool, which would keep the lock.
        self.watch.abort();
    }
}

/// The lock, over the connections that hold it one after the other.
#[derive(Debug)]
pub(crate) struct Hold {
    state: watch::Sender<State>,
    /// The session that had it last.
    ours: Mutex<Option<Session>>,
}

impl Hold {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { state: watch::Sender::new(State::Away), ours: Mutex::new(None) })
    }

    /// Whether the writer's newest connection has the lock.
    pub fn is_held(&self) -> bool {
        *self.state.borrow() == State::Held
    }

    /// Waits until the lock is lost for good.
    pub async fn lost(&self) -> Loss {
        let mut state = self.state.subscribe();
        let lost = state.wait_for(|state| matches!(state, State::Lost(_))).await;
        match lost.expect("its sender is ours").clone() {
            State::Lost(why) => why,
            State::Away | State::Held => unreachable!("the wait was for a loss"),
        }
    }

    /// Why the lock is lost, if it is.
    pub fn loss(&self) -> Option<Loss> {
        match &*self.state.borrow() {
            State::Lost(loss) => Some(loss.clone()),
            State::Away | State::Held => None,
        }
    }

    fn set(&self, new: State) {
        self.state.send_if_modified(|state| {
            // What is lost stays lost.
            let changes = !matches!(state, State::Lost(_)) && *state != new;
            if changes {
                *state = new;
            }
            changes
        });
    }

    fn ours(&self) -> Option<Session> {
        self.ours.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes the lock on a new connection of the writer's, or finds that another process has it.
    pub async fn take(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        self.away();
        let first = Instant::now();
        loop {
            let sql = format!(
                "SELECT pg_try_advisory_lock({}), pid, backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()",
                key()
            );
            let row = one(connection, sql).await?;
            if row.try_get(0)? {
                let session = Session { pid: row.try_get(1)?, started: row.try_get(2)? };
                let before = self.ours.lock().unwrap_or_else(PoisonError::into_inner).replace(session);
                if before.is_some() {
                    tracing::info!("the database is back, and this process's still");
                }
                self.set(State::Held);
                return Ok(());
            }
            match holder(connection).await? {
                Some((session, _)) if Some(&session) == self.ours().as_ref() => {
                    one(connection, format!("SELECT pg_terminate_backend({})", session.pid)).await?;
                }
                found if first.elapsed() > PATIENCE => {
                    let name = found.map_or_else(|| "a session that it does not show".to_owned(), |(_, name)| name);
                    self.set(State::Lost(Loss::Taken(name)));
                    return Ok(());
                }
                Some(_) | None => {}
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Keeps an eye on the lock until the pool is closed or the lock is lost.
    async fn watch(self: Arc<Self>, pool: PgPool, place: Postgres) {
        let mut busy = 0;
        while !pool.is_closed() && self.loss().is_none() {
            tokio::time::sleep(LOOK).await;
            match timeout(ANSWER, pool.acquire()).await {
                Ok(Ok(mut connection)) => {
                    busy = 0;
                    let asked = timeout(ANSWER, one(&mut connection, "SELECT pg_backend_pid()".to_owned()));
                    if let Ok(Ok(row)) = asked.await {
                        self.compare(&row);
                    } else {
                        // Its answer would be taken for that to the next question.
                        drop(connection.detach());
                        self.away();
                    }
                }
                Ok(Err(_)) => self.away(),
                Err(_) => {
                    busy += 1;
                    if busy >= BUSY_LOOKS {
                        self.ask_elsewhere(&place).await;
                    }
                }
            }
        }
    }

    fn away(&self) {
        if self.is_held() {
            tracing::warn!(
                "the connection that holds the database for this process is lost; nothing is written until it is back"
            );
            self.set(State::Away);
        }
    }

    fn compare(&self, row: &PgRow) {
        let same = row.try_get::<i32, _>(0).is_ok_and(|pid| self.ours().is_some_and(|ours| ours.pid == pid));
        self.set(if same { State::Held } else { State::Lost(Loss::Pooler) });
    }

    /// The writer's connection does not come free: asks on another one whether the lock went to somebody else.
    async fn ask_elsewhere(&self, place: &Postgres) {
        let ask = async {
            let mut connection = database::plain(place).await?;
            database::set(&mut connection, place, &[]).await?;
            let holder = holder(&mut connection).await?;
            connection.close().await?;
            Ok::<_, sqlx::Error>(holder)
        };
        if let Ok(Ok(Some((session, name)))) = timeout(ANSWER, ask).await
            && Some(session) != self.ours()
        {
            self.set(State::Lost(Loss::Taken(name)));
        }
    }
}

/// The lock's number. Advisory locks are a database's own; two schemas of it are two databases for us.
fn key() -> String {
    format!("({LOCK}::bigint << 32) | {SCHEMA}::bigint")
}

/// The number of the schema in use, within the database.
const SCHEMA: &str = "(SELECT oid FROM pg_namespace WHERE nspname = current_schema())";

/// Who has the lock, and what is known about it.
async fn holder(connection: &mut PgConnection) -> Result<Option<(Session, String)>, sqlx::Error> {
    let sql = format!(
        "SELECT l.pid, coalesce(a.backend_start::text, ''), coalesce(a.application_name, ''), coalesce(host(a.client_addr), '') \
         FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid \
         WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.classid::bigint = {LOCK} \
         AND l.objid = {SCHEMA} \
         AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    );
    let Some(row) = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_optional(connection).await? else { return Ok(None) };
    let session = Session { pid: row.try_get(0)?, started: row.try_get(1)? };
    let (application, address): (String, String) = (row.try_get(2)?, row.try_get(3)?);
    let mut name = format!("session {} of PostgreSQL", session.pid);
    for (what, value) in [(", of ", application), (", from ", address)] {
        if !value.is_empty() {
            name.push_str(what);
            name.extend(value.chars().filter(|c| !c.is_control()));
        }
    }
    Ok(Some((session, name)))
}

/// One row, by the simple protocol: a prepared statement would need a session that is ours.
async fn one(connection: &mut PgConnection, sql: String) -> Result<PgRow, sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(connection).await
}
