//! The key store: what it keeps, in what order writes count, and that nobody reads it without the master key.

use sea_orm::ConnectionTrait;
use waypost_store::{KeyEntry, KeyKind, StoreError};

use crate::support::{TestDatabase, execute};

fn entry(name: &str, value: &[u8], tag: i64) -> KeyEntry {
    KeyEntry { name: name.to_owned(), value: value.to_vec(), tag }
}

fn names(entries: &[KeyEntry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.name.as_str()).collect()
}

on_both_databases! {
    async fn a_value_reads_back_and_is_replaced_by_the_next(db: &TestDatabase) {
        let keys = db.store.keys(db.env.new_id());
        keys.put_many(KeyKind::Session, vec![entry("a", b"one", 1), entry("b", b"", 0)]).await.unwrap();
        keys.put_many(KeyKind::Session, vec![entry("a", b"two", 2)]).await.unwrap();
        assert_eq!(keys.get(KeyKind::Session, "a").await.unwrap(), Some(entry("a", b"two", 2)));
        assert_eq!(keys.get(KeyKind::Session, "b").await.unwrap(), Some(entry("b", b"", 0)));
        assert_eq!(keys.get(KeyKind::Session, "c").await.unwrap(), None);
        assert_eq!(keys.get(KeyKind::Identity, "a").await.unwrap(), None);
        assert!(keys.contains(KeyKind::Session, "a").await.unwrap());
        assert!(!keys.contains(KeyKind::Identity, "a").await.unwrap());
        assert_eq!(db.store.keys(db.env.new_id()).get(KeyKind::Session, "a").await.unwrap(), None);
    }

    async fn hundreds_of_values_go_and_come_at_once(db: &TestDatabase) {
        let keys = db.store.keys(db.env.new_id());
        let entries: Vec<KeyEntry> = (0..812).map(|n| entry(&format!("{n:010}"), &[7; 64], 0)).collect();
        keys.put_many(KeyKind::PreKey, entries.clone()).await.unwrap();
        assert_eq!(keys.list(KeyKind::PreKey, "").await.unwrap(), entries);
        assert_eq!(keys.max_name(KeyKind::PreKey).await.unwrap().as_deref(), Some("0000000811"));
        let wanted: Vec<String> = (800..900).map(|n| format!("{n:010}")).collect();
        let mut found = keys.get_many(KeyKind::PreKey, &wanted).await.unwrap();
        found.sort_by(|left, right| left.name.cmp(&right.name));
        assert_eq!(found, entries[800..]);
        keys.set_tags(KeyKind::PreKey, wanted, 5).await.unwrap();
        assert_eq!(keys.delete_tagged_below(KeyKind::PreKey, 6).await.unwrap(), 12);
        keys.delete_many(KeyKind::PreKey, (0..800).map(|n| format!("{n:010}")).collect()).await.unwrap();
        assert_eq!(keys.max_name(KeyKind::PreKey).await.unwrap(), None);
    }

    async fn a_prefix_names_what_starts_with_it(db: &TestDatabase) {
        let keys = db.store.keys(db.env.new_id());
        let all = ["4915:1", "4915:10", "4915:2", "4915;1", "4915", "49151:1", "é:1", "Z", "a", "B"];
        keys.put_many(KeyKind::Session, all.iter().map(|name| entry(name, b"x", 0)).collect()).await.unwrap();
        assert_eq!(names(&keys.list(KeyKind::Session, "4915:").await.unwrap()), ["4915:1", "4915:10", "4915:2"]);
        assert_eq!(names(&keys.list(KeyKind::Session, "é").await.unwrap()), ["é:1"]);
        let mut sorted = all;
        sorted.sort_unstable();
        assert_eq!(names(&keys.list(KeyKind::Session, "").await.unwrap()), sorted, "by byte order");
        assert_eq!(keys.max_name(KeyKind::Session).await.unwrap().as_deref(), Some("é:1"));
        assert_eq!(keys.delete_prefix(KeyKind::Session, "4915:").await.unwrap(), 3);
        assert_eq!(keys.delete_prefix(KeyKind::Session, "%").await.unwrap(), 0);
        assert_eq!(keys.delete_prefix(KeyKind::Session, "").await.unwrap(), 7);
    }

    async fn tags_change_what_is_there_and_make_nothing(db: &TestDatabase) {
        let keys = db.store.keys(db.env.new_id());
        let put = ["a", "b", "c"].map(|name| entry(name, name.as_bytes(), 0)).to_vec();
        keys.put_many(KeyKind::SentMessage, put).await.unwrap();
        keys.set_tags(KeyKind::SentMessage, vec!["a".into(), "nobody".into()], 10).await.unwrap();
        keys.set_tags(KeyKind::SentMessage, vec!["b".into()], 20).await.unwrap();
        assert_eq!(keys.get(KeyKind::SentMessage, "a").await.unwrap(), Some(entry("a", b"a", 10)));
        assert!(!keys.contains(KeyKind::SentMessage, "nobody").await.unwrap());
        assert_eq!(keys.delete_tagged_below(KeyKind::SentMessage, 20).await.unwrap(), 1);
        assert_eq!(names(&keys.list(KeyKind::SentMessage, "").await.unwrap()), ["b", "c"], "a tag of 0 has no age");
    }

    async fn a_session_forgets_everything_and_its_neighbour_nothing(db: &TestDatabase) {
        let (one, other) = (db.store.keys(db.env.new_id()), db.store.keys(db.env.new_id()));
        for keys in [&one, &other] {
            keys.put_many(KeyKind::Device, vec![entry("device", b"x", 0)]).await.unwrap();
            keys.put_many(KeyKind::Session, vec![entry("a", b"x", 0)]).await.unwrap();
        }
        one.clear().await.unwrap();
        assert_eq!(one.list(KeyKind::Device, "").await.unwrap(), vec![]);
        assert_eq!(one.list(KeyKind::Session, "").await.unwrap(), vec![]);
        assert!(other.contains(KeyKind::Device, "device").await.unwrap());
    }

    async fn writes_count_in_the_order_of_submission(db: &TestDatabase) {
        let keys = db.store.keys(db.env.new_id());
        for round in 0..20_u8 {
            let (put, tag, delete, again) = futures::join!(
                keys.put_many(KeyKind::Session, vec![entry("a", &[round], 1), entry("b", &[round], 1)]),
                keys.set_tags(KeyKind::Session, vec!["a".into(), "b".into()], 2),
                keys.delete_many(KeyKind::Session, vec!["a".into()]),
                keys.put_many(KeyKind::Session, vec![entry("c", &[round], 0)]),
            );
            for result in [put, tag, delete, again] {
                result.unwrap();
            }
            assert!(!keys.contains(KeyKind::Session, "a").await.unwrap(), "a delete is not undone");
            assert_eq!(keys.get(KeyKind::Session, "b").await.unwrap(), Some(entry("b", &[round], 2)));
        }
    }

    async fn no_byte_of_a_value_is_readable_in_the_database(db: &TestDatabase) {
        let secret = b"the quick brown fox jumps over the lazy dog";
        let keys = db.store.keys(db.env.new_id());
        keys.put_many(KeyKind::Identity, vec![entry("name-in-clear", secret, 0)]).await.unwrap();
        // Two values alike look unlike: each has its own nonce.
        keys.put_many(KeyKind::Identity, vec![entry("name-in-clear-2", secret, 0)]).await.unwrap();
        let raw = db.raw().await;
        let sql = "SELECT value FROM signal_keys ORDER BY name";
        let rows = raw.query_all_raw(sea_orm::Statement::from_string(raw.get_database_backend(), sql)).await.unwrap();
        let values: Vec<Vec<u8>> = rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
        assert_eq!(values.len(), 2);
        assert_ne!(values[0], values[1]);
        let has = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
        assert!(values.iter().all(|value| !has(value, &secret[..4])));
        if let Some(file) = db.file() {
            let folder = file.parent().unwrap().to_owned();
            let (mut bytes, mut named) = (0, false);
            for path in std::fs::read_dir(folder).unwrap() {
                let content = std::fs::read(path.unwrap().path()).unwrap();
                assert!(!has(&content, &secret[..8]));
                named |= has(&content, b"name-in-clear");
                bytes += content.len();
            }
            assert!(named && bytes > 0, "the files that were searched hold the row");
        }
    }

    async fn a_value_moved_to_another_name_kind_or_session_is_corrupt(db: &TestDatabase) {
        let (one, other) = (db.env.new_id(), db.env.new_id());
        let keys = db.store.keys(one);
        let raw = db.raw().await;
        for (column, value) in [("name", "'moved'".to_owned()), ("kind", "3".to_owned()), ("session_id", literal(other))] {
            keys.clear().await.unwrap();
            db.store.keys(other).clear().await.unwrap();
            keys.put_many(KeyKind::Session, vec![entry("a", b"secret", 0)]).await.unwrap();
            let value = if db.file().is_none() { value.replace("x'", "'") } else { value };
            execute(&raw, &format!("UPDATE signal_keys SET {column} = {value}")).await;
            let (session, kind, name) = match column {
                "name" => (one, KeyKind::Session, "moved"),
                "kind" => (one, KeyKind::Identity, "a"),
                _ => (other, KeyKind::Session, "a"),
            };
            let read = db.store.keys(session).get(kind, name).await;
            assert!(matches!(read, Err(StoreError::Corrupt { table: "signal_keys", .. })), "{column}: {read:?}");
        }
    }

    async fn a_damaged_value_is_corrupt(db: &TestDatabase) {
        let keys = db.store.keys(db.env.new_id());
        keys.put_many(KeyKind::Session, vec![entry("a", b"secret", 0)]).await.unwrap();
        let raw = db.raw().await;
        let damaged = if db.file().is_some() { "x'01020304'" } else { "'\\x01020304'::bytea" };
        execute(&raw, &format!("UPDATE signal_keys SET value = {damaged}")).await;
        assert!(matches!(keys.get(KeyKind::Session, "a").await, Err(StoreError::Corrupt { .. })));
        assert!(matches!(keys.list(KeyKind::Session, "").await, Err(StoreError::Corrupt { .. })));
    }
}

/// A UUID as SQLite writes it down; without the `x` PostgreSQL reads it too.
fn literal(session: waypost_domain::SessionId) -> String {
    format!("x'{}'", session.as_uuid().simple())
}
