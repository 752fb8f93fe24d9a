//! Messages: accept, cancel, get, list.

mod accept;
mod cancel;
mod get;
mod list;

pub use accept::{Accepted, Idempotency, SendMessage};
