//! API keys: create, list, revoke.
//!
//! A key is 256 random bits, shown once and stored as SHA-256: there is nothing to guess, so a slow hash would protect
//! nothing and cost 32 ms a request.

mod create;
mod key_use;
mod list;
mod revoke;
mod secret;

pub use create::{CreatedApiKey, NewApiKey};
pub(crate) use key_use::KeyUse;
pub(crate) use secret::{API_KEY_PREFIX, draw_secret, has_form_of_secret};
