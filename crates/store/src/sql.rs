//! Plain SQL over either database: one text, `$n` parameters, for a connection pool or a transaction alike.
//!
//! Lists of rows go to the database in chunks whose sizes are powers of two, so that a connection prepares a handful
//! of statements for each purpose and no more.

use std::fmt::Write;

use sea_orm::{ConnectionTrait, ExecResult, QueryResult, Statement, TryGetable, Value};
use waypost_domain::Timestamp;

use crate::StoreError;

/// The most rows in one statement. sqlx looks each parameter of SQLite up by its name, among all names of the statement,
/// so many small statements cost less than one of thousands of parameters.
const MAX_ROWS: usize = 32;

/// Something that runs statements.
#[derive(Debug)]
pub(crate) struct Sql<C>(pub C);

impl<C: ConnectionTrait> Sql<C> {
    fn statement(&self, sql: impl Into<String>, values: Vec<Value>) -> Statement {
        Statement::from_sql_and_values(self.0.get_database_backend(), sql, values)
    }

    /// All rows.
    pub async fn all(&self, sql: impl Into<String>, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        let rows = self.0.query_all_raw(self.statement(sql, values)).await?;
        Ok(rows.into_iter().map(Row).collect())
    }

    /// The first row.
    pub async fn one(&self, sql: impl Into<String>, values: Vec<Value>) -> Result<Option<Row>, StoreError> {
        Ok(self.0.query_one_raw(self.statement(sql, values)).await?.map(Row))
    }

    /// The number of rows that changed.
    pub async fn execute(&self, sql: impl Into<String>, values: Vec<Value>) -> Result<u64, StoreError> {
        let done: ExecResult = self.0.execute_raw(self.statement(sql, values)).await?;
        Ok(done.rows_affected())
    }
}

/// A row, read by position.
#[derive(Debug)]
pub(crate) struct Row(QueryResult);

impl Row {
    /// The column at `index`; `table` is for the error.
    pub fn get<T: TryGetable>(&self, table: &'static str, index: usize) -> Result<T, StoreError> {
        self.0
            .try_get_by_index(index)
            .map_err(|error| StoreError::Corrupt { table, why: format!("column {index}: {error}") })
    }

    /// The column at `index`, which holds a name, read by `parse`.
    pub fn name<T>(
        &self,
        table: &'static str,
        index: usize,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, StoreError> {
        let name: String = self.get(table, index)?;
        parse(&name).ok_or_else(|| StoreError::Corrupt { table, why: format!("column {index}: unknown name") })
    }

    /// The column at `index`, a time.
    pub fn time(&self, table: &'static str, index: usize) -> Result<Timestamp, StoreError> {
        self.get(table, index).map(Timestamp::from_millis)
    }

    /// The column at `index`, a time that may be absent.
    pub fn optional_time(&self, table: &'static str, index: usize) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.get::<Option<i64>>(table, index)?.map(Timestamp::from_millis))
    }

    /// The column at `index`, JSON text that may be absent.
    pub fn optional_json<T: serde::de::DeserializeOwned>(
        &self,
        table: &'static str,
        index: usize,
    ) -> Result<Option<T>, StoreError> {
        self.get::<Option<String>>(table, index)?.map(|text| from_json(table, &text)).transpose()
    }

    /// The column at `index`, a count.
    pub fn count(&self, table: &'static str, index: usize) -> Result<u64, StoreError> {
        let count: i64 = self.get(table, index)?;
        u64::try_from(count).map_err(|error| StoreError::Corrupt { table, why: format!("column {index}: {error}") })
    }
}

/// `($1, $2), ($3, $4)`: the parameters of `rows` rows of `columns` columns, numbered from `first`.
pub(crate) fn tuples(first: usize, rows: usize, columns: usize) -> String {
    let mut sql = String::with_capacity(rows * (columns * 6 + 4));
    for row in 0..rows {
        sql.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..columns {
            // Writing to a String cannot fail.
            let _ = write!(sql, "{}${}", if column == 0 { "" } else { ", " }, first + row * columns + column);
        }
        sql.push(')');
    }
    sql
}

/// `$3, $4, $5`: `count` parameters numbered from `first`.
pub(crate) fn list(first: usize, count: usize) -> String {
    let mut sql = tuples(first, 1, count);
    sql.pop();
    sql.remove(0);
    sql
}

/// Cuts a list into chunks whose sizes are powers of two, the largest first.
pub(crate) fn chunks<T>(mut items: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        if items.is_empty() {
            return None;
        }
        let largest_power = 1 << items.len().min(MAX_ROWS).ilog2();
        let (chunk, rest) = items.split_at(largest_power);
        items = rest;
        Some(chunk)
    })
}

/// A text that somebody else wrote. PostgreSQL cannot store U+0000; both databases get U+FFFD in its place.
pub(crate) fn free_text(text: &str) -> Value {
    if text.contains('\0') { text.replace('\0', "\u{FFFD}").into() } else { text.into() }
}

/// A text that somebody else wrote, where there is one.
pub(crate) fn optional_free_text(text: Option<&str>) -> Value {
    text.map_or(Value::String(None), free_text)
}

/// A time that may be absent.
pub(crate) fn optional_time(time: Option<Timestamp>) -> Value {
    Value::BigInt(time.map(Timestamp::as_millis))
}

/// A value as JSON text.
pub(crate) fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("plain data with text keys always has a JSON form")
}

/// A value from JSON text.
pub(crate) fn from_json<T: serde::de::DeserializeOwned>(table: &'static str, text: &str) -> Result<T, StoreError> {
    // serde_json's error names a place, never the contents, but for enum names: those are ours.
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt { table, why: error.to_string() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parameters_are_numbered_through() {
        assert_eq!(tuples(1, 2, 3), "($1, $2, $3), ($4, $5, $6)");
        assert_eq!(list(4, 2), "$4, $5");
    }

    proptest! {
        #[test]
        fn chunks_are_the_list_in_powers_of_two(items in prop::collection::vec(any::<u8>(), 0..600)) {
            let parts: Vec<&[u8]> = chunks(&items).collect();
            prop_assert!(parts.iter().all(|part| part.len().is_power_of_two() && part.len() <= MAX_ROWS));
            prop_assert_eq!(parts.concat(), items);
        }
    }
}
