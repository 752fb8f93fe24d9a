//! Pages of long lists.

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
