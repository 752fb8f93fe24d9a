//! Lists: pages and filters.

pub use waypost_store::{Cursor, MessageFilter, Page, PageRequest, REACH};
