//! The harness of the system tests: the real server, the simulator, a real Baileys client, and databases of one's own.
//!
//! Nothing here knows a crate of ours: what a test sees is what a user sees. Every wait is for a condition, with one
//! generous [`DEADLINE`]; a test that ends, well or badly, takes its processes and databases with it.

mod baileys;
pub mod chaos;
mod client;
mod database;
mod pooler;
mod postgres;
mod process;
pub mod siege;
mod simulator;
mod wait;
mod waypost;

pub use baileys::{Baileys, Seen};
pub use client::{Answer, Client, Credential};
pub use database::Database;
pub use pooler::Pooler;
pub use postgres::{Death, PostgresServer};
pub use process::{Process, binary, repository};
pub use simulator::Simulator;
pub use wait::{DEADLINE, eventually, eventually_or_tell};
pub use waypost::{Setup, Tenant, Waypost};
