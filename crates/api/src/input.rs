//! What clients send: bodies, queries and paths become typed values here, or one [`ApiError::Validation`] that names
//! every field that is wrong.
//!
//! A request type says in one place, its [`FromFields`], which fields it has and which rule each obeys. A field that it
//! does not have is refused, in bodies and in queries: what is dropped in silence was meant. `null` is as good as absent.

mod body;
mod client_address;
mod fields;
mod json;
pub mod once;
mod path;
mod query;
mod receive;
pub mod rules;
mod window;

pub use body::{Bare, Body};
pub use client_address::ClientAddress;
pub use fields::{Fields, FromFields};
pub use once::Once;
pub use path::Id;
pub use query::Query;
pub use window::{PageQuery, Window};

#[cfg(doc)]
use crate::error::ApiError;
