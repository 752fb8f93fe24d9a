//! The address that a request came from.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, HeaderName, request::Parts},
};

use crate::App;

/// The client's address: from the configured proxy's header, else the connection's own, where the server says it
/// (`into_make_service_with_connect_info`).
pub struct ClientAddress(pub Option<IpAddr>);

impl FromRequestParts<App> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let forwarded = app.config.client_address_header.as_ref().and_then(|name| last_entry(&parts.headers, name));
        let peer = || parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
        Ok(Self(forwarded.or_else(peer)))
    }
}

/// The last entry is the one that the nearest proxy wrote; those before it are the client's word.
fn last_entry(headers: &HeaderMap, name: &HeaderName) -> Option<IpAddr> {
    let last = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    last.rsplit(',').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_nearest_proxy_wrote_is_believed() {
        let name = HeaderName::from_static("x-forwarded-for");
        let mut headers = HeaderMap::new();
        headers.append(&name, "203.0.113.9".parse().unwrap());
        headers.append(&name, "198.51.100.1, 192.0.2.7".parse().unwrap());
        assert_eq!(last_entry(&headers, &name), "192.0.2.7".parse().ok());
    }
}
