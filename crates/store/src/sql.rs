//! Plain SQL over either database: one text, `$n` parameters, for a connection pool or a transaction alike.
//!
//! What another version of Waypost wrote, and this one cannot read, is read as unknown or as absent: one such row never
//! fails the others of a page or of a queue. An error is left for what no version writes.
//!
//! Lists of rows go to the database in chunks whose sizes are powers of two, so that a connection prepares a handful
//! of statements for each purpose and no more.

use std::{fmt::Write, str::FromStr};

use sea_orm::{ConnectionTrait, ExecResult, QueryResult, Statement, TryGetable, Value};
use serde::de::DeserializeOwned;
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

    /// The column at `index`, which holds a name, read by `parse`; an error if this version does not know the name.
    pub fn name<T>(
        &self,
        table: &'static str,
        index: usize,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, StoreError> {
        let name: String = self.get(table, index)?;
        parse(&name).ok_or_else(|| StoreError::Corrupt { table, why: format!("column {index}: unknown name") })
    }

    /// The column at `index`, which holds a name, read by `parse`; `unknown` if this version does not know the name.
    pub fn name_or<T>(
        &self,
        table: &'static str,
        index: usize,
        parse: impl FnOnce(&str) -> Option<T>,
        unknown: T,
    ) -> Result<T, StoreError> {
        let name: String = self.get(table, index)?;
        Ok(parse(&name).unwrap_or(unknown))
    }

    /// The column at `index`, a text that may be absent; also absent if this version cannot read it.
    pub fn optional<T: FromStr>(&self, table: &'static str, index: usize) -> Result<Option<T>, StoreError> {
        Ok(self.get::<Option<String>>(table, index)?.and_then(|text| text.parse().ok()))
    }

    /// The column at `index`, a time.
    pub fn time(&self, table: &'static str, index: usize) -> Result<Timestamp, StoreError> {
        self.get(table, index).map(Timestamp::from_millis)
    }

    /// The column at `index`, a time that may be absent.
    pub fn optional_time(&self, table: &'static str, index: usize) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.get::<Option<i64>>(table, index)?.map(Timestamp::from_millis))
    }

    /// The column at `index`, JSON text; `unknown` if this version cannot read it.
    pub fn json_or<T: DeserializeOwned>(&self, table: &'static str, index: usize, unknown: T) -> Result<T, StoreError> {
        let text: String = self.get(table, index)?;
        Ok(serde_json::from_str(&text).unwrap_or(unknown))
    }

    /// The column at `index`, JSON text that may be absent; `unknown` if this version cannot read what is there.
    pub fn optional_json_or<T: DeserializeOwned>(
        &self,
        table: &'static str,
        index: usize,
        unknown: impl FnOnce() -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        let text: Option<String> = self.get(table, index)?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok().or_else(unknown)))
    }

    /// The column at `index`, a count.
    pub fn count(&self, table: &'static str, index: usize) -> Result<u64, StoreError> {
        let count: i64 = self.get(table, index)?;
        u64::try_from(count).map_err(|error| StoreError::Corrupt { table, why: format!("column {index}: {error}") })
    }
}

/// What an UPDATE sets: what is not named keeps what is there, also what this version cannot read.
#[derive(Debug)]
pub(crate) struct Assignments {
    columns: Vec<&'static str>,
    values: Vec<Value>,
}

impl Assignments {
    /// Of the row whose `id` is this.
    pub fn of(id: impl Into<Value>) -> Self {
        Self { columns: Vec::new(), values: vec![id.into()] }
    }

    pub fn set(&mut self, column: &'static str, value: impl Into<Value>) {
        self.columns.push(column);
        self.values.push(value.into());
    }

    /// The statement and its parameters.
    pub fn update(self, table: &str) -> (String, Vec<Value>) {
        let set: Vec<String> =
            self.columns.iter().zip(2..).map(|(column, number)| format!("{column} = ${number}")).collect();
        (format!("UPDATE {table} SET {} WHERE id = $1", set.join(", ")), self.values)
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
