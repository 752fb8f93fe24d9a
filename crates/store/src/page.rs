//! Pages of long lists.

use std::fmt::Write;

use sea_orm::{DatabaseConnection, Value};

use crate::{
    StoreError,
    sql::{Row, Sql},
};

/// The most rows a page may have.
const MAX_LIMIT: u32 = 100;

/// Which part of a list is wanted. Lists run from the newest to the oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageRequest {
    /// The page with this number, from 1, of `limit` rows; the total is counted.
    Number {
        /// From 1.
        page: u32,
        /// Rows a page, 1 to 100.
        limit: u32,
    },
    /// The `limit` rows behind a cursor that an earlier page gave; nothing is counted.
    After {
        /// The `next_cursor` of the page before.
        cursor: i64,
        /// Rows a page, 1 to 100.
        limit: u32,
    },
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// How many rows there are in all, where it was counted.
    pub total: Option<u64>,
    /// Where the next page starts; none on the last page.
    pub next_cursor: Option<i64>,
}

/// What the rows of a list have in common, as SQL with its parameters.
#[derive(Debug)]
pub(crate) struct Conditions {
    sql: String,
    values: Vec<Value>,
}

impl Conditions {
    /// Starts with one: `left` is a column and an operator.
    pub fn new(left: &str, right: impl Into<Value>) -> Self {
        Self { sql: format!("{left} $1"), values: vec![right.into()] }
    }

    /// Adds one, where there is a value for it.
    pub fn and(&mut self, left: &str, right: Option<impl Into<Value>>) {
        if let Some(right) = right {
            self.values.push(right.into());
            // Writing to a String cannot fail.
            let _ = write!(self.sql, " AND {left} ${}", self.values.len());
        }
    }

    /// Adds one without a value.
    pub fn and_sql(&mut self, sql: &str) {
        self.sql.push_str(" AND ");
        self.sql.push_str(sql);
    }
}

/// Reads a page of `table`, whose order is that of its column `seq`, the first of `columns`.
pub(crate) async fn read<T>(
    read: &Sql<DatabaseConnection>,
    table: &'static str,
    columns: &str,
    mut conditions: Conditions,
    request: PageRequest,
    item: impl Fn(&Row) -> Result<T, StoreError>,
) -> Result<Page<T>, StoreError> {
    let (total, limit, offset) = match request {
        PageRequest::Number { page, limit } => {
            let sql = format!("SELECT COUNT(*) FROM {table} WHERE {}", conditions.sql);
            let counted = read.one(sql, conditions.values.clone()).await?;
            let total = counted.map_or(Ok(0), |row| row.count(table, 0))?;
            let limit = i64::from(limit.clamp(1, MAX_LIMIT));
            (Some(total), limit, i64::from(page.saturating_sub(1)) * limit)
        }
        PageRequest::After { cursor, limit } => {
            conditions.and("seq <", Some(cursor));
            (None, i64::from(limit.clamp(1, MAX_LIMIT)), 0)
        }
    };
    let Conditions { sql, mut values } = conditions;
    let next = values.len() + 1;
    // One row more than asked for says whether there is another page.
    let sql = format!("SELECT {columns} FROM {table} WHERE {sql} ORDER BY seq DESC LIMIT ${next} OFFSET ${}", next + 1);
    values.extend([Value::from(limit + 1), Value::from(offset)]);
    let mut rows = read.all(sql, values).await?;
    let more = i64::try_from(rows.len()).is_ok_and(|rows| rows > limit);
    if more {
        rows.pop();
    }
    let last: Option<i64> = rows.last().map(|row| row.get(table, 0)).transpose()?;
    let items = rows.iter().map(item).collect::<Result<_, _>>()?;
    Ok(Page { items, total, next_cursor: last.filter(|_| more) })
}
