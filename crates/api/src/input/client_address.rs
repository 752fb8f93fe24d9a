//! The address that a request came from.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{Extensions, HeaderMap, request::Parts},
};

use crate::{App, error::ApiError};

/// The client's address. [`crate::request::answer`] finds it out, once for each request: from the header of a trusted
/// proxy, else it is the connection's own. None if the server does not say whose the connection is (tests).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub Option<IpAddr>);

impl FromRequestParts<App> for ClientAddress {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        let found = parts.extensions.get().copied();
        found.ok_or_else(|| ApiError::Internal("the client's address was not looked for".into()))
    }
}

impl ClientAddress {
    /// The address that the connection comes from: the nearest proxy's, if there is one.
    pub fn of_connection(extensions: &Extensions) -> Self {
        Self(extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip().to_canonical()))
    }

    /// Whom this connection speaks for. A trusted proxy that names nobody readable is refused: taking the proxy's own
    /// address would make all its clients one.
    pub fn behind(self, headers: &HeaderMap, app: &App) -> Result<Self, ApiError> {
        let Self(Some(peer)) = self else { return Ok(self) };
        let proxies = &app.config.proxies;
        if !proxies.trusts(peer) && is_near(peer) && headers.contains_key(&proxies.header) {
            app.untrusted_proxy.call_once(|| {
                tracing::warn!(
                    http.header = %proxies.header,
                    client.address = %peer,
                    "a request from nearby names another client: if that address is your proxy, add it to trusted_proxies; \
                     until then all its clients count as one"
                );
            });
        }
        proxies.client(peer, headers).map(|client| Self(Some(client))).map_err(|_| {
            let sentence = "Must name the client's address: the trusted proxy that sent this wrote something else";
            ApiError::field(proxies.header.as_str(), sentence)
        })
    }
}

/// Whether an address is of this machine or of a private network, where one's own proxies are.
fn is_near(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_private(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local(),
    }
}
