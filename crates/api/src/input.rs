//! What clients send: bodies, queries and paths become typed values here, or one [`ApiError::Validation`] that names
//! every field that is wrong.
//!
//! A request type says in one place, its [`FromFields`], which fields it has and which rule each obeys. Unknown fields
//! are tolerated, as old and new clients need; `null` is as good as absent.

mod body;
mod client_address;
mod fields;
pub mod once;
mod path;
mod query;
mod receive;
pub mod rules;
mod window;

pub use body::Body;
pub use client_address::ClientAddress;
pub use fields::{Fields, FromFields};
pub use once::Once;
pub use path::Id;
pub use query::Query;
pub use window::{PageQuery, Window};

#[cfg(doc)]
use crate::error::ApiError;
