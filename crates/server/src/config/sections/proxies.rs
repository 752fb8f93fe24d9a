//! Whose word on a client's address is believed.

use std::net::IpAddr;

use axum::http::HeaderName;
use clap::Args;
use ipnet::IpNet;
use serde::Deserialize;
use waypost_api::TrustedProxies;

use super::Section;
use crate::config::forms::{As, Form, Number};

/// Whose word on a client's address is believed.
#[derive(Debug, Clone, Args, Deserialize)]
pub struct Proxies {
    /// Where your reverse proxies are, such as 127.0.0.1,10.0.0.0/8; unset: none.
    #[arg(long, value_name = "NETWORKS")]
    pub trusted_proxies: Option<As<Networks>>,
    /// Header in which they name whom they were called from.
    #[arg(long, value_name = "NAME", default_value = TrustedProxies::default().header.as_str().to_owned())]
    pub trusted_proxy_header: As<ProxyHeader>,
    /// How many of them a request comes through.
    #[arg(long, value_name = "NUMBER", default_value = TrustedProxies::default().hops.to_string())]
    pub trusted_proxy_hops: As<Number<u8, 1, 16>>,
}

impl Section for Proxies {}

impl Proxies {
    /// The proxies.
    pub fn trusted(&self) -> TrustedProxies {
        TrustedProxies {
            networks: self.trusted_proxies.as_ref().map(|networks| networks.0.clone()).unwrap_or_default(),
            header: self.trusted_proxy_header.0.clone(),
            hops: self.trusted_proxy_hops.0,
        }
    }
}

/// Addresses and networks with commas between them.
pub struct Networks;

impl Form for Networks {
    type Value = Vec<IpNet>;

    fn read(text: &str) -> Result<Vec<IpNet>, String> {
        let network = |text: &str| {
            let address = || text.parse().ok().map(|address: IpAddr| IpNet::from(address.to_canonical()));
            text.parse().ok().or_else(address)
        };
        let networks: Option<_> = text.split(',').map(str::trim).map(network).collect();
        networks.ok_or_else(|| {
            "must be addresses or networks with commas between them, such as 127.0.0.1,10.0.0.0/8".to_owned()
        })
    }
}

/// The name of a header with bare addresses.
pub struct ProxyHeader;

impl Form for ProxyHeader {
    type Value = HeaderName;

    fn read(text: &str) -> Result<HeaderName, String> {
        if text.eq_ignore_ascii_case("forwarded") {
            return Err(
                "must be a header with bare addresses, such as x-forwarded-for: Forwarded (RFC 7239) is not read"
                    .to_owned(),
            );
        }
        text.parse().map_err(|_| "must be the name of an HTTP header, such as x-forwarded-for".to_owned())
    }
}
