//! Idempotency keys: one message of all requests with one key.

use std::time::Duration;

use waypost_domain::{IdempotencyKey, SessionId, TenantId, Timestamp};
use waypost_store::{AcceptOutcome, NewIdempotency, NewOutbound, StoreError};

use crate::support::{TestDatabase, count};

fn once(key: &str, fingerprint: u8, answer: &str) -> NewIdempotency {
    let key = IdempotencyKey::parse(key.as_bytes()).unwrap();
    NewIdempotency { key, fingerprint: [fingerprint; 32], answer: answer.to_owned() }
}

fn message(db: &TestDatabase, tenant: TenantId, session: SessionId, at: Timestamp) -> NewOutbound {
    NewOutbound { created_at: at, ..db.outbound(tenant, session, "919876543210") }
}

async fn accept(db: &TestDatabase, message: &NewOutbound, once: NewIdempotency) -> AcceptOutcome {
    db.store.accept_message_once(message.clone(), once).await.unwrap()
}

async fn messages(db: &TestDatabase) -> i64 {
    count(&db.raw().await, "SELECT COUNT(*) FROM messages").await
}

/// Of the outcomes one is new, and the others are its answer.
fn assert_one_is_new(outcomes: Vec<(String, AcceptOutcome)>) {
    let first = outcomes.iter().find(|(_, outcome)| *outcome == AcceptOutcome::Accepted).expect("one is new").0.clone();
    for (answer, outcome) in outcomes {
        let expected = if answer == first { AcceptOutcome::Accepted } else { AcceptOutcome::Replayed(first.clone()) };
        assert_eq!(outcome, expected);
    }
}

on_both_databases! {
    async fn twins_in_one_batch_and_in_different_ones_are_one_message(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        // Submitted together they share a batch, or a few.
        let twins = (0..50).map(|n| async move {
            let answer = format!("answer {n}");
            let message = db.outbound(tenant, session, "919876543210");
            (answer.clone(), accept(db, &message, once("order 7", 1, &answer)).await)
        });
        let mut outcomes = futures::future::join_all(twins).await;
        // One after another they do not.
        for n in 50..53 {
            let answer = format!("answer {n}");
            let message = db.outbound(tenant, session, "919876543210");
            outcomes.push((answer.clone(), accept(db, &message, once("order 7", 1, &answer)).await));
        }
        assert_one_is_new(outcomes);
        assert_eq!(messages(db).await, 1);
        assert_eq!(db.store.events_after(tenant, 0, 100).await.unwrap().len(), 1, "one event, too");
    }

    async fn twins_of_two_processes_are_one_message(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let other = db.reopen().await;
        let twins = (0..20).map(|n| {
            let store = if n % 2 == 0 { &db.store } else { &other };
            async move {
                let answer = format!("answer {n}");
                let message = db.outbound(tenant, session, "919876543210");
                (answer.clone(), store.accept_message_once(message, once("order 7", 1, &answer)).await.unwrap())
            }
        });
        assert_one_is_new(futures::future::join_all(twins).await);
        assert_eq!(messages(db).await, 1);
        other.close().await;
    }

    async fn another_request_under_the_same_key_is_told_so_and_writes_nothing(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let pair = (1..=2).map(|fingerprint| async move {
            let message = db.outbound(tenant, session, "919876543210");
            accept(db, &message, once("order 7", fingerprint, "queued")).await
        });
        let outcomes = futures::future::join_all(pair).await;
        assert_eq!(outcomes, [AcceptOutcome::Accepted, AcceptOutcome::Mismatch]);
        let message = db.outbound(tenant, session, "919876543210");
        assert_eq!(accept(db, &message, once("order 7", 3, "queued")).await, AcceptOutcome::Mismatch);
        assert_eq!(messages(db).await, 1);
        let key = IdempotencyKey::parse(b"order 7").unwrap();
        let earlier = async |fingerprint| {
            db.store.earlier_answer(tenant, &key, &[fingerprint; 32], message.created_at).await.unwrap()
        };
        assert_eq!(earlier(1).await, Some(AcceptOutcome::Replayed("queued".to_owned())));
        assert_eq!(earlier(2).await, Some(AcceptOutcome::Mismatch));
    }

    async fn a_key_is_its_tenants_own(db: &TestDatabase) {
        let (ours, theirs) = (db.tenant(), db.tenant());
        for tenant in [ours, theirs] {
            let session = db.session(tenant).await.id;
            let message = db.outbound(tenant, session, "919876543210");
            assert_eq!(accept(db, &message, once("order 7", 1, "queued")).await, AcceptOutcome::Accepted);
        }
        assert_eq!(messages(db).await, 2);
    }

    async fn a_message_that_cannot_be_written_leaves_no_key(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let there = db.accepted(tenant, session, "919876543210").await;
        // Its id is taken, so the batch fails, and each of its requests is tried by itself.
        let mut bad = db.outbound(tenant, session, "919876543210");
        bad.id = there.id;
        let good = db.outbound(tenant, session, "919876543210");
        let neighbour = db.outbound(tenant, session, "919876543210");
        let (refused, twin, neighbour) = futures::join!(
            db.store.accept_message_once(bad, once("order 7", 1, "bad")),
            db.store.accept_message_once(good, once("order 7", 1, "good")),
            db.store.accept_message(neighbour),
        );
        assert!(matches!(refused, Err(StoreError::Duplicate { .. })), "{refused:?}");
        assert_eq!(twin.unwrap(), AcceptOutcome::Accepted, "what failed took no key with it");
        neighbour.unwrap();
        assert_eq!(messages(db).await, 3);
    }

    async fn a_key_is_kept_for_24_hours_and_is_new_again_after_that_though_nobody_pruned_it(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let start = db.tick();
        let last = start.plus(IdempotencyKey::KEPT).minus(Duration::from_millis(1));
        let outcome = async |at, answer| accept(db, &message(db, tenant, session, at), once("order 7", 1, answer)).await;
        assert_eq!(outcome(start, "first").await, AcceptOutcome::Accepted);
        assert_eq!(outcome(last, "late").await, AcceptOutcome::Replayed("first".to_owned()));
        let over = start.plus(IdempotencyKey::KEPT);
        let key = IdempotencyKey::parse(b"order 7").unwrap();
        assert_eq!(db.store.earlier_answer(tenant, &key, &[1; 32], over).await.unwrap(), None);
        assert_eq!(outcome(over, "next day").await, AcceptOutcome::Accepted);
        assert_eq!(outcome(over, "again").await, AcceptOutcome::Replayed("next day".to_owned()));
        assert_eq!(messages(db).await, 2);
    }

    async fn old_keys_are_pruned_and_others_stay(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let start = db.tick();
        // More than one statement deletes.
        let old = (0..1100).map(|n| async move {
            accept(db, &message(db, tenant, session, start), once(&format!("old {n}"), 1, "old")).await
        });
        futures::future::join_all(old).await;
        let noon = start.plus(Duration::from_hours(12));
        accept(db, &message(db, tenant, session, noon), once("young", 1, "young")).await;
        let over = start.plus(IdempotencyKey::KEPT);
        assert_eq!(db.store.prune_idempotency_keys_system(over.minus(Duration::from_millis(1))).await.unwrap(), 0);
        assert_eq!(db.store.prune_idempotency_keys_system(over).await.unwrap(), 1100);
        assert_eq!(count(&db.raw().await, "SELECT COUNT(*) FROM idempotency_keys").await, 1);
        assert_eq!(messages(db).await, 1101, "messages outlive their keys");
    }
}
