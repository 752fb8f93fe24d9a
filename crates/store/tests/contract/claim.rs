//! One process, one database.

use sea_orm::{ConnectionTrait, Statement};
use waypost_store::{Claim, MasterKey, Store};

use crate::support::{TestDatabase, eventually, execute, is_unavailable};

async fn claim(db: &TestDatabase) -> Claim {
    Claim::take(&db.config.database_url, 3).await.unwrap()
}

async fn open(db: &TestDatabase) -> Store {
    Store::open_claimed(claim(db).await, &MasterKey::new([42; 32]), db.env.clone()).await.unwrap()
}

on_both_databases! {
    async fn a_claimed_database_is_refused_to_others_until_it_is_let_go(db: &TestDatabase) {
        db.store.close().await;
        let store = open(db).await;
        let refusal = Claim::take(&db.config.database_url, 3).await.unwrap_err().to_string();
        assert!(refusal.contains("another waypost uses"), "{refusal}");
        assert!(refusal.contains(&format!("process {} on ", std::process::id())), "{refusal}");
        store.close().await;
        drop(store);
        open(db).await.close().await;
    }

    async fn a_claim_knows_whether_secrets_are_sealed_and_writes_nothing(db: &TestDatabase) {
        db.store.close().await;
        let raw = db.raw().await;
        assert!(claim(db).await.is_sealed().await.unwrap());
        execute(&raw, "DELETE FROM meta").await;
        assert!(!claim(db).await.is_sealed().await.unwrap());
        execute(&raw, "ALTER TABLE meta RENAME TO other").await;
        assert!(!claim(db).await.is_sealed().await.unwrap());
        execute(&raw, "ALTER TABLE other RENAME TO meta").await;
    }
}

/// Ends the sessions that hold the lock, or only tells who they are.
const HOLDERS: &str = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid::bigint = 9297680 \
                       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

async fn holder(raw: &sea_orm::DatabaseConnection) -> Option<i32> {
    let row = raw.query_one_raw(Statement::from_string(raw.get_database_backend(), HOLDERS)).await.unwrap();
    row.map(|row| row.try_get_by_index(0).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_is_lost_with_its_connection_is_taken_again_before_anything_is_written() {
    crate::support::run(TestDatabase::postgres().await, async |db: &TestDatabase| {
        db.store.close().await;
        let (store, raw) = (open(db).await, db.raw().await);
        let before = holder(&raw).await.unwrap();
        execute(&raw, &format!("SELECT pg_terminate_backend({before})")).await;
        let message = db.outbound(db.tenant(), db.env.new_id(), "919876543210");
        eventually(async || store.accept_message(message.clone()).await.is_ok()).await;
        let after = holder(&raw).await.unwrap();
        assert_ne!(before, after);
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_lost_the_lock_to_another_process_writes_nothing_more() {
    crate::support::run(TestDatabase::postgres().await, async |db: &TestDatabase| {
        db.store.close().await;
        let (store, raw) = (open(db).await, db.raw().await);
        // Another process's lock is in line for the moment in which ours goes.
        let ours = holder(&raw).await.unwrap();
        let other = db.raw().await;
        let line = tokio::spawn(async move {
            let lock = "SELECT pg_advisory_lock((9297680::bigint << 32) | current_schema()::regnamespace::oid::bigint)";
            execute(&other, lock).await;
            other
        });
        eventually(async || crate::support::count(&raw, "SELECT COUNT(*) FROM pg_locks WHERE NOT granted").await > 0)
            .await;
        execute(&raw, &format!("SELECT pg_terminate_backend({ours})")).await;
        let _other = line.await.unwrap();
        let message = db.outbound(db.tenant(), db.env.new_id(), "919876543210");
        let loss = async {
            while !is_unavailable(&store.accept_message(message.clone()).await) {}
            store.lost().await
        };
        let loss = tokio::time::timeout(std::time::Duration::from_secs(30), loss).await.unwrap();
        assert!(loss.to_string().contains("another waypost uses this database"), "{loss}");
        for _ in 0..20 {
            assert!(is_unavailable(&store.accept_message(message.clone()).await));
        }
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_schema_that_is_asked_for_is_used_and_one_that_is_missing_is_refused() {
    crate::support::run(TestDatabase::postgres().await, async |db: &TestDatabase| {
        db.store.close().await;
        let raw = db.raw().await;
        execute(&raw, "CREATE SCHEMA \"Way\"").await;
        for parameter in [
            "schema=Way",
            "search_path=%22Way%22,public",
            "currentSchema=%22Way%22",
            "options=-c%20search_path%3D%22Way%22",
        ] {
            let url = format!("{}?{parameter}", db.url).parse().unwrap();
            let claim = Claim::take(&url, 3).await.unwrap();
            let store = Store::open_claimed(claim, &MasterKey::new([42; 32]), db.env.clone()).await.unwrap();
            let message = db.outbound(db.tenant(), db.env.new_id(), "919876543210");
            store.accept_message(message.clone()).await.unwrap();
            assert!(store.message(message.tenant_id, message.id).await.unwrap().is_some(), "{parameter}");
            store.close().await;
        }
        assert_eq!(crate::support::count(&raw, "SELECT COUNT(*) FROM \"Way\".messages").await, 4);
        assert_eq!(crate::support::count(&raw, "SELECT COUNT(*) FROM public.messages").await, 0);
        for missing in ["schema=way", "search_path=nowhere,public"] {
            let url = format!("{}?{missing}", db.url).parse().unwrap();
            let refusal = Claim::take(&url, 3).await.unwrap_err().to_string();
            assert!(refusal.contains("does not exist"), "{refusal}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_with_a_server_is_said_as_it_is() {
    let refusal = async |url: &str| Claim::take(&url.parse().unwrap(), 3).await.unwrap_err().to_string();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = refusal(&format!("postgres://waypost:hunter2@{free}/x")).await;
    assert!(refused.contains("refused") && !refused.contains("hunter2"), "{refused}");
    let nowhere = refusal("postgres://waypost:hunter2@db.example.invalid/x").await;
    assert!(nowhere.contains("the host db.example.invalid does not resolve"), "{nowhere}");
    let (server, _) = crate::support::postgres_url().rsplit_once('/').unwrap();
    let missing = refusal(&format!("{server}/no_such_database")).await;
    assert!(missing.contains("the database does not exist"), "{missing}");
    let at = server.rsplit_once('@').unwrap().1;
    let stranger = refusal(&format!("postgres://no_such_role:hunter2@{at}/postgres")).await;
    assert!(stranger.contains("no such role") && !stranger.contains("no_such_role"), "{stranger}");
}
