//! wa-sim as a child process, and the few of its admin calls that the benchmarks need.

use std::net::SocketAddr;

use anyhow::{Result, ensure};

use crate::{Child, http, server::free_port};

/// A running simulator.
#[derive(Debug)]
pub struct Simulator {
    /// The process.
    pub child: Child,
    address: SocketAddr,
    http: reqwest::Client,
}

impl Simulator {
    /// Starts wa-sim. Its phones count what they are shown and do not decrypt it: the benchmark is of the sender.
    pub async fn start() -> Result<Self> {
        let address: SocketAddr = ([127, 0, 0, 1], free_port()?).into();
        let listen = address.to_string();
        let (child, _) = Child::start("wa-sim", &["--listen", &listen, "--phones", "count"], &[], &listen).await?;
        Ok(Self { child, address, http: http::client()? })
    }

    /// Where clients connect.
    pub fn socket_url(&self) -> String {
        format!("ws://{}/ws/chat", self.address)
    }

    /// Scans a QR code with the phone of this number.
    pub async fn scan(&self, qr: &str, phone: &str) -> Result<()> {
        let url = format!("http://{}/admin/mock-phone/scan-qr?phone={phone}", self.address);
        let response = self.http.post(url).body(qr.to_owned()).send().await?;
        ensure!(response.status().is_success(), "scan-qr: {} {}", response.status(), response.text().await?);
        Ok(())
    }

    /// Creates an account that has a phone and no companion.
    pub async fn create_account(&self, phone: &str) -> Result<()> {
        let url = format!("http://{}/admin/accounts", self.address);
        let response = self.http.post(url).json(&serde_json::json!({"pn": phone})).send().await?;
        ensure!(response.status().is_success(), "accounts: {} {}", response.status(), response.text().await?);
        Ok(())
    }
}
