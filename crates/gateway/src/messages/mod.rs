//! Messages: accept, get, list.

mod accept;
mod get;
mod list;

pub use accept::{Accepted, Idempotency, SendMessage};
