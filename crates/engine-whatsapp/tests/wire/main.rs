//! The engine against a WhatsApp server that encrypts for real: every promise of `waypost_engine` that only shows on
//! the wire.
#![cfg(feature = "wire-sim")]

mod bench;
mod connection;
mod linking;
mod messages;
