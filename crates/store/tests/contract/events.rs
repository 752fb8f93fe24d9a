//! Events: their order, their cursor, their walls.

use waypost_domain::{EventType, MessageId};

use crate::support::TestDatabase;

on_both_databases! {
    async fn a_cursor_reads_every_event_once_in_order(db: &TestDatabase) {
        let tenant = db.tenant();
        let messages: Vec<_> = (0..25).map(|_| db.outbound(tenant, db.env.new_id(), "919876543210")).collect();
        let ids: Vec<_> = messages.iter().map(|message| message.id).collect();
        futures::future::try_join_all(messages.into_iter().map(|message| db.store.accept_message(message)))
            .await
            .unwrap();
        let (mut seen, mut cursor) = (Vec::new(), 0);
        loop {
            let events = db.store.events_after(tenant, cursor, 10).await.unwrap();
            let Some(last) = events.last() else { break };
            assert!(events.len() <= 10 && events.is_sorted_by_key(|event| event.seq));
            cursor = last.seq;
            seen.extend(events);
        }
        assert!(seen.iter().all(|event| event.kind == EventType::MessageQueued && event.tenant_id == tenant));
        let named: Vec<MessageId> = seen.iter().map(|event| event.data["id"].as_str().unwrap().parse().unwrap()).collect();
        assert_eq!(named, ids, "requests take effect in the order of submission");
    }

    async fn a_reader_behind_concurrent_writers_misses_no_event(db: &TestDatabase) {
        let tenant = db.tenant();
        let other_process = db.reopen().await;
        let accept = async |store: &waypost_store::Store| {
            for _ in 0..40 {
                store.accept_message(db.outbound(tenant, db.env.new_id(), "919876543210")).await.unwrap();
            }
        };
        let follow = async {
            let (mut seen, mut cursor) = (0, 0);
            while seen < 160 {
                for event in db.store.events_after(tenant, cursor, 7).await.unwrap() {
                    cursor = event.seq;
                    seen += 1;
                }
            }
        };
        let writers = async {
            futures::join!(accept(&db.store), accept(&other_process), accept(&db.store), accept(&other_process));
        };
        let both = async { futures::join!(writers, follow) };
        tokio::time::timeout(std::time::Duration::from_mins(1), both).await.expect("an event was never seen");
        other_process.close().await;
    }

    async fn another_tenants_events_are_not_seen(db: &TestDatabase) {
        db.accepted(db.tenant(), db.env.new_id(), "919876543210").await;
        assert_eq!(db.store.events_after(db.tenant(), 0, 10).await.unwrap(), vec![]);
    }
}
