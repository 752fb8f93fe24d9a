//! Opening, closing, opening again.

use waypost_store::{MasterKey, Store, StoreConfig, StoreError};

use crate::support::{TestDatabase, count, is_unavailable};

on_both_databases! {
    async fn many_processes_may_open_an_empty_database_at_once(db: &TestDatabase) {
        // The case's own store has migrated already: take that back, then start twelve at once.
        let raw = db.raw().await;
        let tables = ["meta", "refresh_tokens", "refresh_families", "users", "tenants", "api_keys", "sessions",
            "messages", "idempotency_keys", "pacing_spent", "number_checks", "people", "events", "signal_keys", "sandbox_mailbox",
            "seaql_migrations"];
        db.store.close().await;
        for table in tables {
            crate::support::execute(&raw, &format!("DROP TABLE {table}")).await;
        }
        let opened = futures::future::join_all((0..12).map(|_| Store::open(&db.config, db.env.clone()))).await;
        for store in opened {
            store.unwrap().close().await;
        }
        assert_eq!(count(&raw, "SELECT COUNT(*) FROM meta").await, 1);
    }

    async fn a_database_from_before_the_first_release_is_refused_and_left_alone(db: &TestDatabase) {
        let raw = db.raw().await;
        crate::support::execute(&raw, "UPDATE seaql_migrations SET version = 'm0001_accounts_sessions_messages'").await;
        let error = Store::open(&db.config, db.env.clone()).await.unwrap_err();
        assert!(matches!(&error, StoreError::BeforeTheFirstRelease), "{error}");
        assert!(error.to_string().contains("start with a new one"), "{error}");
        assert_eq!(count(&raw, "SELECT COUNT(*) FROM seaql_migrations").await, 1);
        assert_eq!(count(&raw, "SELECT COUNT(*) FROM messages").await, 0);
    }

    async fn a_database_that_a_newer_version_has_changed_is_opened(db: &TestDatabase) {
        let raw = db.raw().await;
        let newer = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_of_a_newer_version', 0)";
        crate::support::execute(&raw, newer).await;
        crate::support::execute(&raw, "ALTER TABLE messages ADD COLUMN reactions TEXT").await;
        let store = db.reopen().await;
        let message = db.outbound(db.tenant(), db.env.new_id(), "919876543210");
        store.accept_message(message.clone()).await.unwrap();
        assert!(store.message(message.tenant_id, message.id).await.unwrap().is_some());
        store.close().await;
        assert_eq!(count(&raw, "SELECT COUNT(*) FROM seaql_migrations").await, 2);
    }

    async fn another_master_key_is_refused_at_once(db: &TestDatabase) {
        let config = StoreConfig { master_key: MasterKey::new([43; 32]), ..db.config.clone() };
        let error = Store::open(&config, db.env.clone()).await.unwrap_err();
        assert!(matches!(&error, StoreError::Corrupt { table: "meta", .. }), "{error}");
        assert!(error.to_string().contains("master key"), "{error}");
        db.reopen().await.close().await;
    }

    async fn a_closed_store_answers_that_it_is_closed(db: &TestDatabase) {
        db.store.ping().await.unwrap();
        let message = db.outbound(db.tenant(), db.env.new_id(), "919876543210");
        let (accepted, ()) = futures::join!(db.store.accept_message(message.clone()), db.store.close());
        accepted.expect("what was handed in before the close is written");
        assert!(is_unavailable(&db.store.accept_message(message.clone()).await));
        assert!(db.store.ping().await.is_err());
        db.store.close().await;
        let again = db.reopen().await;
        assert!(again.message(message.tenant_id, message.id).await.unwrap().is_some());
        again.close().await;
    }

    async fn an_answered_accept_survives_a_store_that_was_never_closed(db: &TestDatabase) {
        let tenant = db.tenant();
        let dying = db.reopen().await;
        let messages: Vec<_> = (0..200).map(|_| db.outbound(tenant, db.env.new_id(), "919876543210")).collect();
        let mut answered = Vec::new();
        {
            let accepts = messages.iter().map(|message| async {
                dying.accept_message(message.clone()).await.unwrap();
                message.id
            });
            let mut accepts = accepts.collect::<futures::stream::FuturesUnordered<_>>();
            while answered.len() < 120 {
                answered.push(futures::StreamExt::next(&mut accepts).await.unwrap());
            }
        }
        drop(dying);
        let again = db.reopen().await;
        for id in answered {
            assert!(again.message(tenant, id).await.unwrap().is_some());
        }
        again.close().await;
    }
}
