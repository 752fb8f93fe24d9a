//! Messages: accept, cancel, get, list.

mod accept;
mod cancel;
mod get;
mod list;

pub(crate) use accept::require_connected;
pub use accept::{Accepted, Idempotency, SendMessage};
