//! The HTTP client that sets things up and asks; the measured load has its own ([`crate::load`]).

use std::time::Duration;

/// A client with a time limit. Installs the process's cryptography first, without which none can be built.
pub fn client() -> reqwest::Result<reqwest::Client> {
    // A second provider is refused, and then the first is the one we want.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().timeout(Duration::from_mins(1)).build()
}
