//! Pages of long lists.
//!
//! A list costs the database the same however long it is: page numbers end at [`REACH`] rows, no more rows than that are
//! counted, and a [`Cursor`] goes on from where a page ended by the same index.

use std::{
    fmt::{self, Write},
    str::FromStr,
};

use sea_orm::{DatabaseConnection, Value};
use waypost_domain::Timestamp;

use crate::{
    StoreError,
    sql::{Row, Sql},
};

/// The most rows a page may have.
const MAX_LIMIT: u32 = 100;

/// How many rows of a list are counted, and how many its pages by number may show in all.
pub const REACH: u32 = 10_000;

/// A place in a list: the row behind which it goes on. Callers get it as text and give it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    pub(crate) at: Timestamp,
    pub(crate) seq: i64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.at.as_millis(), self.seq)
    }
}

/// The text is no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotACursor;

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let number = |digits: &str| {
            let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|_| all_digits).ok_or(NotACursor)
        };
        let (at, seq) = text.split_once('-').ok_or(NotACursor)?;
        Ok(Self { at: Timestamp::from_millis(number(at)?), seq: number(seq)? })
    }
}

/// Which part of a list is wanted. Lists run from the newest to the oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageRequest {
    /// The page with this number, from 1, of `limit` rows; the total is counted. Empty past [`REACH`].
    Number {
        /// From 1.
        page: u32,
        /// Rows a page, 1 to 100.
        limit: u32,
    },
    /// The `limit` rows behind a cursor that an earlier page gave; nothing is counted.
    After {
        /// The `next_cursor` of the page before.
        cursor: Cursor,
        /// Rows a page, 1 to 100.
        limit: u32,
    },
}

impl PageRequest {
    /// The most rows that may be given.
    pub(crate) fn limit(self) -> u32 {
        let (Self::Number { limit, .. } | Self::After { limit, .. }) = self;
        limit.clamp(1, MAX_LIMIT)
    }

    /// How many rows stand before a page by number.
    pub(crate) fn offset(self) -> u32 {
        match self {
            Self::Number { page, .. } => page.saturating_sub(1).saturating_mul(self.limit()),
            Self::After { .. } => 0,
        }
    }

    /// Where the page starts, if it is one behind a cursor.
    pub(crate) const fn after(self) -> Option<Cursor> {
        match self {
            Self::Number { .. } => None,
            Self::After { cursor, .. } => Some(cursor),
        }
    }

    /// Whether page numbers still reach its last row.
    pub(crate) fn is_within_reach(self) -> bool {
        self.offset().saturating_add(self.limit()) <= REACH
    }
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// How many rows there are in all, if it was counted: exact up to [`REACH`].
    pub total: Option<u64>,
    /// Whether there are more rows, or may be, than `total` says.
    pub total_is_capped: bool,
    /// Where the list goes on; none on the last page.
    pub next_cursor: Option<Cursor>,
}

impl<T> Page<T> {
    /// The same part of the list, its rows changed by `change`.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        let Self { items, total, total_is_capped, next_cursor } = self;
        Page { items: items.into_iter().map(change).collect(), total, total_is_capped, next_cursor }
    }
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

    fn and(&mut self, left: &str, right: impl Into<Value>) {
        self.values.push(right.into());
        // Writing to a String cannot fail.
        let _ = write!(self.sql, " AND {left} ${}", self.values.len());
    }

    /// Adds one without a value.
    pub fn and_sql(&mut self, sql: &str) {
        self.sql.push_str(" AND ");
        self.sql.push_str(sql);
    }
}

/// Reads a page of `table`, whose order is that of its column `seq`; an index must have the conditions' columns and then
/// that one.
pub(crate) async fn read<T>(
    read: &Sql<DatabaseConnection>,
    table: &'static str,
    columns: &str,
    mut conditions: Conditions,
    request: PageRequest,
    item: impl Fn(&Row) -> Result<(Cursor, T), StoreError>,
) -> Result<Page<T>, StoreError> {
    let mut page = Page { items: Vec::new(), total: None, total_is_capped: false, next_cursor: None };
    if let Some(cursor) = request.after() {
        conditions.and("seq <", cursor.seq);
    } else {
        let next = conditions.values.len() + 1;
        let sql = format!(
            "SELECT COUNT(*) FROM (SELECT 1 FROM {table} WHERE {} ORDER BY seq DESC LIMIT ${next}) AS counted",
            conditions.sql
        );
        let mut values = conditions.values.clone();
        values.push(i64::from(REACH + 1).into());
        let counted = read.one(sql, values).await?.map_or(Ok(0), |row| row.count(table, 0))?;
        page.total = Some(counted.min(REACH.into()));
        page.total_is_capped = counted > REACH.into();
        if !request.is_within_reach() {
            return Ok(page);
        }
    }
    let Conditions { sql, mut values } = conditions;
    let next = values.len() + 1;
    // One row more than asked for says whether there is another page.
    let sql = format!("SELECT {columns} FROM {table} WHERE {sql} ORDER BY seq DESC LIMIT ${next} OFFSET ${}", next + 1);
    values.extend([Value::from(i64::from(request.limit()) + 1), Value::from(i64::from(request.offset()))]);
    let rows = read.all(sql, values).await?;
    for row in rows.iter().take(request.limit() as usize) {
        let (cursor, item) = item(row)?;
        page.items.push(item);
        page.next_cursor = Some(cursor);
    }
    page.next_cursor = page.next_cursor.filter(|_| rows.len() > page.items.len());
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_nothing_else_is() {
        let cursor = Cursor { at: Timestamp::from_millis(1_800_000_000_123), seq: 42 };
        assert_eq!(cursor.to_string(), "1800000000123-42");
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for wrong in ["", "42", "-", "1-", "-1", "1--1", "+1-1", "1-99999999999999999999", "1-2-3", "1-２"] {
            assert_eq!(wrong.parse::<Cursor>(), Err(NotACursor), "{wrong}");
        }
    }
}
