//! The whole HTTP surface over a real gateway, a real SQLite database and the sandbox, without a socket.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod accounts;
mod api_keys;
mod bad_input;
mod document;
mod doors;
mod floods;
mod ground_rules;
mod life;
mod messages;
mod metrics;
mod numbers;
mod once;
mod operator;
mod other_versions;
mod paths;
mod scopes;
mod sessions;
mod support;
mod unknown_names;
mod unlinked;
mod walls;
