//! What a simulator is started with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// What the pretend phones do with the messages they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Phones {
    /// Count them by id, without decrypting: for benchmarks that are not about the phone.
    Count,
    /// Decrypt them with a Signal session of their own.
    #[default]
    Decrypt,
}

/// Options of [`Sim::start`](crate::Sim::start).
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Serve TLS, with a certificate made for this run.
    pub tls: bool,
    /// What phones do with messages.
    pub phones: Phones,
    /// Whether phones send a delivery receipt for every message they are shown, as phones that are
    /// switched on do. It can be changed per account.
    pub phone_receipts: bool,
    /// Whether new accounts are migrated to LID; `None` takes both namespaces. It can be changed per account.
    pub lid_migrated: Option<bool>,
    /// Whether a reconnect by Noise IK is accepted; `false` forces every one into `XXfallback`.
    pub allow_ik: bool,
    /// How long one write to a connection may take before it is closed as a slow reader.
    pub write_timeout: Duration,
    /// How long a connection may take to finish the handshake.
    pub handshake_timeout: Duration,
    /// The file to which everything is saved at [`Sim::shutdown`](crate::Sim::shutdown) and from which it is
    /// read at the start; nothing is kept when absent.
    pub state: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: false,
            phones: Phones::default(),
            phone_receipts: true,
            lid_migrated: None,
            allow_ik: true,
            write_timeout: Duration::from_secs(30),
            handshake_timeout: Duration::from_secs(20),
            state: None,
        }
    }
}
