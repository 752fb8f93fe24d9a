//! A WhatsApp server to test against.
//!
//! wa-sim speaks the multi-device protocol of WhatsApp Web well enough that real clients (Baileys,
//! whatsapp-rust) link, log in and exchange end-to-end encrypted messages through it, over a
//! certificate chain that is signed for real under a root key of its own. It plays the phone too:
//! every account has one, a Signal endpoint that keeps book of what it was shown.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! let sim = wa_sim::Sim::start(wa_sim::Config::default()).await?;
//! let bob = sim.account("4915112345678");
//! // … a client connects to sim.ws_url() and shows a QR code …
//! # let qr = "";
//! let alice = sim.scan_qr(qr, None).await?;
//! bob.send_text(&alice.pn, "hello").await?;
//! sim.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! The README lists the admin interface and how to point clients here.

mod account;
mod admin;
mod appstate;
mod certs;
mod clock;
mod config;
mod core;
mod crypto;
mod devices;
mod directory;
mod faults;
mod groups;
mod iq;
mod mailbox;
mod namespace;
mod network;
mod noise;
mod outbox;
mod pairing;
mod persist;
mod phone;
mod prekeys;
mod presence;
mod receipts;
mod relay;
mod server;
mod session;
mod sim;
mod socket;
mod stanza;
mod tls;
mod usync;
mod works;

pub use clock::Clock;
pub use config::{Config, Phones};
pub use faults::{Copied, Fault, FaultRule, Faults, ReceiptForm};
pub use network::{
    ConnectionFault, ConnectionRule, Failure, Link, LoginAttempt, LoginBook, Network, Refuse, Refusing, Scope,
    StreamError,
};
pub use pairing::{PairError, Paired};
pub use phone::view::{ChatView, SeenReceipt, Shown, ShownChat, ShownMessage, Totals};
pub use sim::{AccountHandle, Sim};
