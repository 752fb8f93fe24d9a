//! The group-commit writer: the one place that changes the database.
//!
//! Requests wait in a bounded queue. A task takes what waits, applies it in one transaction, commits once, and answers
//! everybody after the commit; so a hundred concurrent callers share one `fsync`. It promises:
//!
//! * **An answer follows the commit.** Who is told `Ok` finds the change after a power failure.
//! * **Order.** Requests take effect in the order of submission. Between two [`Request::Change`]s the typed requests
//!   are applied kind by kind and in bulk, each kind in the order of submission: no caller was answered yet, and the
//!   kinds touch different rows or commute for whoever waits (see [`batch`]).
//! * **Neighbours do not suffer.** Where a batch fails for a reason of its own, each request gets a transaction of its
//!   own, and its own answer.
//! * **It lives on.** While the database is away or full, requests are answered [`StoreError::Unavailable`]; once it is
//!   back they succeed.
//! * **One writer at a time.** On SQLite by nature; on PostgreSQL an advisory lock, held for the transaction, keeps the
//!   writers of several processes apart. So the order of `seq` is the order of commits on both, and a reader that
//!   follows a cursor misses nothing.
//! * **One process.** Where this process claimed the database, nothing is written on a connection without its lock
//!   ([`crate::claim`]).
//!
//! A caller that stops waiting (drops the future) before its turn takes its request back.

mod batch;
mod request;

use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use futures::{FutureExt, future::BoxFuture};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, SqliteTransactionMode, TransactionOptions,
    TransactionTrait,
};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::Instrument as _;
use waypost_domain::Env;

pub(crate) use request::{Pending, Request};

use crate::{
    StoreError,
    claim::Holding,
    metrics::{Metrics, Tally},
    sql::Sql,
};

/// Requests that may wait; past it a caller waits for a place.
const QUEUE: usize = 4096;
/// The most requests that share a commit: bounds how long the first of them waits.
const MAX_BATCH: usize = 1024;
/// How often the task lets others run before it starts on a batch, while that makes the batch grow: those who were
/// answered by the last commit are about to ask again.
const GATHERING_ROUNDS: usize = 8;
/// Held for the length of a writing transaction on PostgreSQL. "Waypost" on a telephone's keys, and one.
const ADVISORY_LOCK: &str = "SELECT pg_advisory_xact_lock(9297679)";

/// The open transaction of a batch.
pub(crate) struct Tx {
    sql: Sql<DatabaseTransaction>,
    /// Time, ids and randomness.
    pub env: Env,
    /// What is counted if it is committed.
    pub tally: Tally,
}

impl std::ops::Deref for Tx {
    type Target = Sql<DatabaseTransaction>;

    fn deref(&self) -> &Self::Target {
        &self.sql
    }
}

/// The callers' end of the queue.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Request>,
    /// When the task last committed.
    committed: watch::Receiver<Option<Instant>>,
    metrics: Metrics,
}

impl Writer {
    /// Starts the task. It ends when the last handle is dropped or [`Self::close`] is called, after what waits then.
    pub fn start(connection: DatabaseConnection, env: Env, holding: Holding) -> Self {
        let (queue, requests) = mpsc::channel(QUEUE);
        let (commit, committed) = watch::channel(None);
        let metrics = Metrics::default();
        let task = Task { connection, env, holding, requests, commit, metrics: metrics.clone() };
        tokio::spawn(task.run());
        Self { queue, committed, metrics }
    }

    /// Whether it committed something within so long.
    pub fn committed_within(&self, time: Duration) -> bool {
        self.committed.borrow().is_some_and(|at| at.elapsed() < time)
    }

    /// What the task counts.
    pub const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// How many requests wait in the queue.
    pub fn waiting(&self) -> usize {
        QUEUE - self.queue.capacity()
    }

    /// Whether the queue has no place left.
    pub fn is_full(&self) -> bool {
        self.queue.capacity() == 0
    }

    /// Hands in a typed request and waits for its commit.
    pub async fn submit<I, O>(
        &self,
        input: I,
        request: impl FnOnce(Pending<I, O>) -> Request,
    ) -> Result<O, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.queue.send(request(Pending::new(input, reply))).await.map_err(|_| StoreError::closed())?;
        answer.await.map_err(|_| StoreError::closed())?
    }

    /// Runs `change` with `input` in the writer's transaction and waits for its commit. It may run twice: in a batch
    /// that fails, and then by itself; only the run that is committed counts. An error takes back all it did.
    pub async fn change<I, O, F>(&self, input: I, change: F) -> Result<O, StoreError>
    where
        I: Send + Sync + 'static,
        O: Send + Sync + 'static,
        F: for<'a> Fn(&'a Tx, &'a I) -> BoxFuture<'a, Result<O, StoreError>> + Send + Sync + 'static,
    {
        self.submit((input, change), |pending| Request::Change(Box::new(pending))).await
    }

    /// Whether the task has ended, or ends after what waits.
    pub fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// Writes what waits and ends the task.
    pub async fn close(&self) {
        // An error says that it is closed already.
        let _ = self.submit((), Request::Close).await;
    }
}

struct Task {
    connection: DatabaseConnection,
    env: Env,
    holding: Holding,
    requests: mpsc::Receiver<Request>,
    commit: watch::Sender<Option<Instant>>,
    metrics: Metrics,
}

impl Task {
    async fn run(mut self) {
        let mut closers = Vec::new();
        let mut batch = Vec::new();
        while self.requests.recv_many(&mut batch, MAX_BATCH).await > 0 {
            self.gather(&mut batch).await;
            for request in batch.extract_if(.., |request| matches!(request, Request::Close(_))) {
                self.requests.close();
                closers.push(request);
            }
            self.write(std::mem::take(&mut batch)).await;
        }
        for closer in closers {
            closer.answer(Ok(()));
        }
    }

    async fn gather(&mut self, batch: &mut Vec<Request>) {
        for _ in 0..GATHERING_ROUNDS {
            tokio::task::yield_now().await;
            let before = batch.len();
            while batch.len() < MAX_BATCH
                && let Ok(request) = self.requests.try_recv()
            {
                batch.push(request);
            }
            if batch.len() == before {
                break;
            }
        }
    }

    async fn write(&self, mut batch: Vec<Request>) {
        batch.retain(Request::is_awaited);
        if batch.is_empty() {
            return;
        }
        match self.attempt(&mut batch).await {
            Err(error) if batch.len() > 1 && !matches!(error, StoreError::Unavailable(_)) => {
                tracing::warn!(requests = batch.len(), %error, "a batch failed; its requests are tried one by one");
                for mut request in batch {
                    let result = self.attempt(std::slice::from_mut(&mut request)).await;
                    request.answer(result);
                }
            }
            result => {
                for request in batch {
                    request.answer(result.clone());
                }
            }
        }
    }

    /// One transaction. A panic in it is an error of the batch, not the end of the writer.
    async fn attempt(&self, batch: &mut [Request]) -> Result<(), StoreError> {
        let begun = Instant::now();
        let requests = batch.len();
        let transaction = async {
            let tx = self.begin().await?;
            batch::apply(&tx, batch).await?;
            tx.sql.0.commit().await?;
            self.metrics.committed(tx.tally, requests, begun.elapsed());
            Ok(())
        }
        .instrument(tracing::debug_span!("commit", requests));
        let result = AssertUnwindSafe(transaction)
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Err(StoreError::Other("a change of the database panicked".to_owned())));
        if result.is_ok() {
            self.commit.send_replace(Some(Instant::now()));
        } else {
            self.metrics.failed();
        }
        if matches!(result, Err(StoreError::Unavailable(_) | StoreError::Other(_))) {
            self.renew().await;
        }
        result
    }

    /// Has the next transaction start on a connection of its own. SQLite ends a transaction by itself where the disk
    /// fails; the driver then counts it as open for ever, makes every later one a part of it, and commits nothing.
    async fn renew(&self) {
        if self.connection.get_database_backend() == DbBackend::Sqlite
            && let Ok(connection) = self.connection.get_sqlite_connection_pool().acquire().await
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the writer's connection did not close in good order");
        }
    }

    async fn begin(&self) -> Result<Tx, StoreError> {
        let immediate = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let tx = self.connection.begin_with_options(immediate).await?;
        // Now that there is a connection: it took the lock when it was made, or did not get it.
        if !self.holding.may_write() {
            return Err(StoreError::not_ours());
        }
        if tx.get_database_backend() == DbBackend::Postgres {
            tx.execute_unprepared(ADVISORY_LOCK).await?;
        }
        Ok(Tx { sql: Sql(tx), env: self.env.clone(), tally: Tally::default() })
    }
}
