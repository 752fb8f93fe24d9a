//! The WhatsApp engine: [`waypost_engine::Engine`] over whatsapp-rust, which no other crate names.
//!
//! A session's [`Link`](waypost_engine::Link) runs one client with storage of its own ([`backend`]). What the engine
//! promises:
//!
//! - **The id on the wire is the caller's**, also when a message is sent again after a crash.
//! - **`Ok` of a send is the socket's, not the server's.** Only a server ack without an error is reported as acked.
//! - **An inbound message is acknowledged after its commit**, never before: until then WhatsApp keeps it and delivers
//!   it again. It may come twice, never not at all.
//! - **A receipt is confirmed after its commit** ([`gate`]): until then WhatsApp keeps it too.
//! - **`Linked` is said when the credentials are on disk.**
//! - **`Connected` is said when a message can be sent**, and taken back within a minute where the server is gone, whether
//!   the socket says so or not (`link::liveness`).
//! - **A device counts as unlinked when WhatsApp refuses its credentials again**, not at the first word (`link::doubt`).
//! - **Connections are made at a rate**, whatever the number of sessions that want one ([`dial`]).
//! - **The account looks offline.** The link never says that it is available, so that the owner's phone keeps its
//!   notifications and contacts do not see the account online all day. Delivery receipts are real all the same
//!   (two ticks for the sender), which the client would otherwise send as inactive ones.
//! - **History is not read.** The phone's offer of old messages is acknowledged and dropped.
//!
//! With the feature `wire-sim` WhatsApp's pinned root key is not checked; in the same breath every address that is not
//! loopback is refused. It is for tests against a simulator and is never in a release.

mod backend;
mod config;
mod dial;
mod engine;
mod gate;
mod http;
mod inbound;
mod incoming;
mod jid;
mod lines;
mod link;
mod outgoing;
mod ratchet;
mod recovery;
mod transport;
mod verdict;
mod version;

pub use config::{ConfigError, DevicePlatform, Timings, WhatsappConfig};
pub use engine::WhatsappEngine;
