//! The gateway over a real database and a network that does as it is told.

#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod coming_back;
mod deletion;
mod health;
mod inbound;
mod life;
mod model;
mod network;
mod numbers;
mod order;
mod other_versions;
mod pacing;
mod people;
mod restart;
mod sessions;
mod spans;
mod stopping;
mod verdicts;
mod world;
