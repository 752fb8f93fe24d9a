//! The group-commit writer: neighbours, order, outages.

use std::time::Duration;

use waypost_domain::MessageStatus;
use waypost_store::{InboundOutcome, StoreError};

use crate::support::{TestDatabase, count, eventually, execute, is_unavailable};

on_both_databases! {
    async fn the_writer_is_proved_by_a_late_commit_or_by_one_more(db: &TestDatabase) {
        let raw = db.raw().await;
        let proofs = async || count(&raw, "SELECT COUNT(*) FROM meta WHERE name = 'proof_of_life'").await;
        db.accepted(db.tenant(), db.env.new_id(), "919876543210").await;
        db.store.prove_writer(Duration::from_hours(1)).await.unwrap();
        assert_eq!(proofs().await, 0, "the accept was proof enough");
        for _ in 0..2 {
            db.store.prove_writer(Duration::ZERO).await.unwrap();
            assert_eq!(proofs().await, 1);
        }
        assert!(!db.store.writes_wait_for_a_place());
        db.store.close().await;
        assert!(is_unavailable(&db.store.prove_writer(Duration::ZERO).await));
    }

    async fn a_request_that_fails_does_not_fail_its_neighbours(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let good: Vec<_> = (0..20).map(|_| db.outbound(tenant, session, "919876543210")).collect();
        // The same id twice: the database refuses the second.
        let mut bad = db.outbound(tenant, session, "14155550100");
        bad.id = good[3].id;
        let accepts = good.iter().chain([&bad]).map(|message| db.store.accept_message(message.clone()));
        let mut results = futures::future::join_all(accepts).await;
        assert!(matches!(results.pop(), Some(Err(StoreError::Duplicate { .. }))));
        for (message, result) in good.iter().zip(results) {
            result.unwrap();
            assert_eq!(db.status(tenant, message.id).await, MessageStatus::Queued);
        }
        assert_eq!(db.store.message(tenant, bad.id).await.unwrap().unwrap().remote_jid, good[3].remote_jid.to_string());
        assert_eq!(db.store.events_after(tenant, 0, 100).await.unwrap().len(), 20, "no event of what failed");
    }

    async fn a_batch_of_many_requests_has_one_answer_for_each(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let work = (0..300_u32).map(|n| async move {
            let message = db.accepted(tenant, session, &format!("9198765{n:05}")).await;
            let inbound = db.store.store_inbound(vec![db.inbound(tenant, session, &format!("IN{n}"))]).await.unwrap();
            assert_eq!(inbound, [InboundOutcome::Stored]);
            db.advance_to(session, message.id, MessageStatus::Delivered).await;
            assert_eq!(db.status(tenant, message.id).await, MessageStatus::Delivered);
        });
        futures::future::join_all(work).await;
    }

    async fn a_caller_that_gives_up_before_its_turn_takes_its_request_back(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let message = db.accepted(tenant, session, "919876543210").await;
        {
            let claim = db.store.claim_queued_system(session, &[], 10, db.tick());
            // Polled once: the request is in the queue, and the caller is gone before the writer can run.
            let mut claim = std::pin::pin!(claim);
            assert!(futures::poll!(claim.as_mut()).is_pending());
        }
        // Requests are taken in order: when this one is answered the other has had its turn.
        let claimed = db.store.claim_queued_system(session, &[], 10, db.tick()).await.unwrap().messages;
        let sending = db.store.sending_system(session).await.unwrap();
        assert_eq!(sending.len(), 1);
        // The first may have been under way already on another thread; it is never half done.
        assert!(claimed.is_empty() || claimed[0].id == message.id);
    }

    async fn writes_fail_while_the_database_refuses_and_succeed_after(db: &TestDatabase) {
        let tenant = db.tenant();
        let raw = db.raw().await;
        // A table that is gone stands for any refusal of the server's.
        execute(&raw, "ALTER TABLE events RENAME TO elsewhere").await;
        let message = db.outbound(tenant, db.env.new_id(), "919876543210");
        assert!(db.store.accept_message(message.clone()).await.is_err());
        assert_eq!(count(&raw, "SELECT COUNT(*) FROM messages").await, 0, "nothing of it was kept");
        execute(&raw, "ALTER TABLE elsewhere RENAME TO events").await;
        db.store.accept_message(message).await.unwrap();
    }
}

/// The writer outlives its connection: a server that restarts costs errors, not the process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_may_cut_the_connections() {
    crate::support::run(TestDatabase::postgres().await, async |db: &TestDatabase| {
        let tenant = db.tenant();
        db.accepted(tenant, db.env.new_id(), "919876543210").await;
        let raw = db.raw().await;
        execute(
            &raw,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'waypost'",
        )
        .await;
        eventually(|| async {
            let accepted = db.store.accept_message(db.outbound(tenant, db.env.new_id(), "919876543210")).await;
            assert!(accepted.is_ok() || is_unavailable(&accepted), "{accepted:?}");
            accepted.is_ok()
        })
        .await;
        eventually(|| async { db.store.ping().await.is_ok() }).await;
    })
    .await;
}

/// Another process that does not let go of SQLite's lock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_locked_by_another_process_is_unavailable_and_recovers() {
    crate::support::run(TestDatabase::sqlite().await, async |db: &TestDatabase| {
        let tenant = db.tenant();
        let accept = || db.store.accept_message(db.outbound(tenant, db.env.new_id(), "919876543210"));
        accept().await.unwrap();
        let blocker = Blocker::hold(db).await;
        let refused = tokio::time::timeout(Duration::from_secs(20), accept()).await.expect("it is answered");
        assert!(is_unavailable(&refused), "{refused:?}");
        blocker.release().await;
        accept().await.unwrap();
    })
    .await;
}

/// Holds SQLite's write lock.
struct Blocker(sea_orm::DatabaseTransaction);

impl Blocker {
    async fn hold(db: &TestDatabase) -> Self {
        use sea_orm::{SqliteTransactionMode, TransactionOptions, TransactionTrait};
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        Self(db.raw().await.begin_with_options(options).await.unwrap())
    }

    async fn release(self) {
        self.0.rollback().await.unwrap();
    }
}
