//! The engine against a WhatsApp server that encrypts for real: every promise of `waypost_engine` that only shows on
//! the wire.
#![cfg(feature = "wire-sim")]
#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

mod bench;
mod connection;
mod linking;
mod messages;
mod numbers;
mod receipts;
mod restart;
mod retries;
mod simulator;
mod states;
