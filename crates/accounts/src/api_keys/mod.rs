//! API keys: create, list, revoke.
//!
//! A key is 256 random bits, shown once and stored as SHA-256: there is nothing to guess, so a slow hash would protect
//! nothing and cost 32 ms a request.

mod create;
mod key_use;
mod list;
mod revoke;

pub use create::{CreatedApiKey, NewApiKey};
pub(crate) use key_use::KeyUse;

/// What every API key starts with.
pub(crate) const API_KEY_PREFIX: &str = "awp_";
