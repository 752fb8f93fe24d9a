//! What waits, as `/metrics` shows it; and what the store counts.

use prometheus_client::{encoding::prometheus_text::encode, registry::Registry};
use waypost_domain::{EngineKind, MessageStatus, SessionStatus};
use waypost_store::{OldestQueued, SessionChange};

use crate::support::TestDatabase;

fn counted(db: &TestDatabase) -> String {
    let (mut registry, mut text) = (Registry::default(), String::new());
    db.store.register_metrics(&mut registry);
    encode(&mut text, &registry).unwrap();
    text
}

on_both_databases! {
    async fn open_messages_are_counted_by_status_up_to_the_limit(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        for _ in 0..5 {
            db.accepted(tenant, session, "919876543210").await;
        }
        db.store.claim_queued_system(session, &[], 2, db.tick()).await.unwrap();
        let mut counts = db.store.count_open_system(100).await.unwrap();
        counts.sort_unstable();
        assert_eq!(counts, [(MessageStatus::Queued, 3), (MessageStatus::Sending, 2)]);
        let counts = db.store.count_open_system(4).await.unwrap();
        assert_eq!(counts.iter().map(|(_, count)| count).sum::<u64>(), 4);
    }

    async fn the_oldest_queued_message_is_told_apart_by_the_connection_of_its_session(db: &TestDatabase) {
        assert_eq!(db.store.oldest_queued_system().await.unwrap(), OldestQueued::default());
        let tenant = db.tenant();
        let (connected, other) = (db.session(tenant).await.id, db.session(tenant).await.id);
        let status = Some(SessionStatus::Connected);
        let change = SessionChange { status, ..SessionChange::new(db.tick(), db.env.new_id()) };
        db.store.change_session(tenant, connected, change).await.unwrap();
        let mut sent = db.outbound(tenant, other, "919876543210");
        sent.send_at = Some(sent.created_at.plus(std::time::Duration::from_secs(5)));
        db.store.accept_message(sent).await.unwrap();
        let waits = db.accepted(tenant, other, "919876543210").await;
        db.accepted(tenant, other, "919876543210").await;
        let others = Some(waits.created_at);
        assert_eq!(db.store.oldest_queued_system().await.unwrap(), OldestQueued { connected: None, others });
        let goes = db.accepted(tenant, connected, "919876543210").await;
        let connected = Some(goes.created_at);
        assert_eq!(db.store.oldest_queued_system().await.unwrap(), OldestQueued { connected, others });
    }

    async fn sessions_are_counted_by_engine_and_status(db: &TestDatabase) {
        let tenant = db.tenant();
        let first = db.session(tenant).await;
        db.session(tenant).await;
        assert_eq!(
            db.store.count_sessions_system().await.unwrap(),
            [(first.engine, SessionStatus::Disconnected, 2)]
        );
        assert!([EngineKind::Sandbox, EngineKind::Whatsapp].contains(&first.engine));
    }

    async fn only_what_is_committed_is_counted(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let message = db.accepted(tenant, session, "919876543210").await;
        db.store.accept_message(message).await.unwrap_err();
        let text = counted(db);
        for line in [
            "messages_accepted_total 1",
            "message_statuses_total{status=\"queued\",code=\"\"} 1",
            "writer_batches_total{outcome=\"failed\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
