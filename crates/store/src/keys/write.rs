//! Writing keys in bulk.
//!
//! A batch may say several things about one name. They are folded first, in the order of submission, into what is left
//! to do for that name; then all names are written together. So a delete is never undone by a write that was
//! submitted before it.

use std::collections::BTreeMap;

use sea_orm::Value;
use waypost_domain::SessionId;

use super::KeyKind;
use crate::{
    StoreError, sql,
    writer::{Pending, Tx},
};

/// The name of a row: session, kind, name.
type Key = (SessionId, i64, String);

/// One thing to be done to one row.
#[derive(Debug, Clone)]
pub(crate) struct KeyWrite {
    key: Key,
    action: Action<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action<V> {
    Put {
        sealed: V,
        tag: i64,
    },
    /// Of a row that is there.
    Tag(i64),
    Delete,
}

impl KeyWrite {
    pub fn put(session: SessionId, kind: KeyKind, name: String, sealed: Vec<u8>, tag: i64) -> Self {
        Self { key: (session, kind.number(), name), action: Action::Put { sealed, tag } }
    }

    pub fn tag(session: SessionId, kind: KeyKind, name: String, tag: i64) -> Self {
        Self { key: (session, kind.number(), name), action: Action::Tag(tag) }
    }

    pub fn delete(session: SessionId, kind: KeyKind, name: String) -> Self {
        Self { key: (session, kind.number(), name), action: Action::Delete }
    }
}

/// Applies the requests' writes.
pub(crate) async fn write(tx: &Tx, requests: Vec<&mut Pending<Vec<KeyWrite>, ()>>) -> Result<(), StoreError> {
    let (mut puts, mut tags, mut deletes) = (Vec::new(), Vec::new(), Vec::new());
    for (key, action) in fold(requests.iter().flat_map(|request| &request.input)) {
        match action {
            Action::Put { sealed, tag } => puts.push((key, sealed, tag)),
            Action::Tag(tag) => tags.push((key, tag)),
            Action::Delete => deletes.push(key),
        }
    }
    put(tx, &puts).await?;
    set_tags(tx, &tags).await?;
    delete(tx, &deletes).await?;
    for request in requests {
        request.outcome = Some(());
    }
    Ok(())
}

/// What is left to do for each row, sorted by name so that neighbours in the index are written together.
fn fold<'a>(writes: impl Iterator<Item = &'a KeyWrite>) -> BTreeMap<&'a Key, Action<&'a [u8]>> {
    let mut folded: BTreeMap<&Key, Action<&[u8]>> = BTreeMap::new();
    for write in writes {
        let next = match (&write.action, folded.get(&write.key)) {
            (Action::Put { sealed, tag }, _) => Action::Put { sealed: sealed.as_slice(), tag: *tag },
            (Action::Delete, _) | (Action::Tag(_), Some(Action::Delete)) => Action::Delete,
            (Action::Tag(tag), Some(&Action::Put { sealed, .. })) => Action::Put { sealed, tag: *tag },
            (Action::Tag(tag), Some(Action::Tag(_)) | None) => Action::Tag(*tag),
        };
        folded.insert(&write.key, next);
    }
    folded
}

fn values((session, kind, name): &Key) -> [Value; 3] {
    [session.as_uuid().into(), (*kind).into(), name.as_str().into()]
}

async fn put(tx: &Tx, puts: &[(&Key, &[u8], i64)]) -> Result<(), StoreError> {
    for chunk in sql::chunks(puts) {
        let sql = format!(
            "INSERT INTO signal_keys (session_id, kind, name, value, tag) VALUES {}
             ON CONFLICT (session_id, kind, name) DO UPDATE SET value = excluded.value, tag = excluded.tag",
            sql::tuples(1, chunk.len(), 5)
        );
        let row = |(key, sealed, tag): &(&Key, &[u8], i64)| {
            values(key).into_iter().chain([sealed.to_vec().into(), (*tag).into()])
        };
        tx.execute(sql, chunk.iter().flat_map(row).collect()).await?;
    }
    Ok(())
}

async fn set_tags(tx: &Tx, tags: &[(&Key, i64)]) -> Result<(), StoreError> {
    for chunk in sql::chunks(tags) {
        let sql = format!(
            "UPDATE signal_keys SET tag = v.column4 FROM (VALUES {}) AS v
             WHERE session_id = v.column1 AND kind = v.column2 AND name = v.column3",
            sql::tuples(1, chunk.len(), 4)
        );
        let row = |(key, tag): &(&Key, i64)| values(key).into_iter().chain([(*tag).into()]);
        tx.execute(sql, chunk.iter().flat_map(row).collect()).await?;
    }
    Ok(())
}

async fn delete(tx: &Tx, keys: &[&Key]) -> Result<(), StoreError> {
    for chunk in sql::chunks(keys) {
        let sql = format!(
            "DELETE FROM signal_keys WHERE (session_id, kind, name) IN (VALUES {})",
            sql::tuples(1, chunk.len(), 3)
        );
        tx.execute(sql, chunk.iter().flat_map(|key| values(key)).collect()).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn any_write() -> impl Strategy<Value = KeyWrite> {
        let action = prop_oneof![
            (any::<u8>(), 0..3_i64).prop_map(|(value, tag)| Action::Put { sealed: vec![value], tag }),
            (0..3_i64).prop_map(Action::Tag),
            Just(Action::Delete),
        ];
        ("[ab]", action).prop_map(|(name, action)| KeyWrite { key: (Uuid::nil().into(), 1, name), action })
    }

    fn apply(rows: &mut HashMap<Key, (Vec<u8>, i64)>, key: &Key, action: Action<Vec<u8>>) {
        match action {
            Action::Put { sealed, tag } => drop(rows.insert(key.clone(), (sealed, tag))),
            Action::Tag(tag) => drop(rows.get_mut(key).map(|row| row.1 = tag)),
            Action::Delete => drop(rows.remove(key)),
        }
    }

    proptest! {
        #[test]
        fn folded_writes_do_what_the_writes_do_one_by_one(
            before in prop::collection::vec(any_write(), 0..4),
            writes in prop::collection::vec(any_write(), 0..12),
        ) {
            let mut one_by_one = HashMap::new();
            for write in &before {
                apply(&mut one_by_one, &write.key, write.action.clone());
            }
            let mut at_once = one_by_one.clone();
            for write in &writes {
                apply(&mut one_by_one, &write.key, write.action.clone());
            }
            for (key, action) in fold(writes.iter()) {
                let action = match action {
                    Action::Put { sealed, tag } => Action::Put { sealed: sealed.to_vec(), tag },
                    Action::Tag(tag) => Action::Tag(tag),
                    Action::Delete => Action::Delete,
                };
                apply(&mut at_once, key, action);
            }
            prop_assert_eq!(at_once, one_by_one);
        }
    }
}
