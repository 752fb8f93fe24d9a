//! What the store promises, checked on SQLite and on PostgreSQL alike: one file for each aggregate, each case run on
//! both (see `support::on_both_databases!`).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

#[macro_use]
mod support;

mod accounts;
mod api_keys;
mod claim;
mod claims;
mod events;
mod evidence;
mod idempotency;
mod inbound;
mod keys;
mod lists;
mod messages;
mod number_checks;
mod opening;
mod other_versions;
mod pacing;
mod people;
mod sandbox_mailbox;
mod schedule;
mod sessions;
mod settings;
mod waiting;
mod writer;
