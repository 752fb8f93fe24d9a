//! How the server listens.

use std::net::SocketAddr;

use clap::Args;
use serde::Deserialize;
use waypost_api::ApiConfig;

use super::Section;
use crate::config::forms::{As, Form, Number, Span};

/// The least room for bodies, in bytes: a quarter of it, which is a tenant's share, is the longest body.
const LEAST_BODY_BYTES: u64 = 4 * 1024 * 1024;

/// How the server listens.
#[derive(Debug, Clone, Args, Deserialize)]
pub struct Http {
    /// Address and port to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3000")]
    pub listen: As<Address>,
    /// HTTP connections at a time; fewer if too few files may be open.
    #[arg(long, value_name = "NUMBER", default_value = "10000")]
    pub max_connections: As<Number<usize, 1, 1_000_000>>,
    /// HTTP connections from one address (IPv6: /56), half of all at most; 0 for no limit.
    #[arg(long, value_name = "NUMBER", default_value = "1024")]
    pub max_connections_per_address: As<Number<usize, 0, 1_000_000>>,
    /// Request bodies in memory at a time, and again of answers.
    #[arg(long, value_name = "BYTES", default_value = ApiConfig::default().max_body_bytes_in_flight.to_string())]
    pub max_body_bytes_in_flight: As<Number<usize, LEAST_BODY_BYTES, { u64::MAX }>>,
    /// How long requests may take to finish at shutdown.
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    pub shutdown_grace: As<Span>,
}

impl Section for Http {}

/// An address and a port.
pub struct Address;

impl Form for Address {
    type Value = SocketAddr;

    fn read(text: &str) -> Result<SocketAddr, String> {
        text.parse().map_err(|_| "must be an IP address and a port, such as 127.0.0.1:3000 or [::]:3000".to_owned())
    }
}
