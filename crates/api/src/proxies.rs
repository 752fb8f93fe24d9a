//! Reverse proxies of the operator's own, and what of their word is believed.
//!
//! A proxy appends to its header (`X-Forwarded-For`) the address that it was called from. So the last entry is the
//! nearest proxy's word, the one before it the word of the proxy that called that one, and the first ones may be
//! anybody's. An entry is believed only if the one behind it is a trusted proxy.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

/// The proxies in front of this server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedProxies {
    /// Where they are. Empty where clients connect directly: then no header is believed.
    pub networks: Vec<IpNet>,
    /// The header in which they name whom they were called from.
    pub header: HeaderName,
    /// How many of them a request comes through, from 1. Entries further to the left are never looked at.
    pub hops: u8,
}

impl Default for TrustedProxies {
    fn default() -> Self {
        Self { networks: Vec::new(), header: HeaderName::from_static("x-forwarded-for"), hops: 1 }
    }
}

/// The header names no address where one must be.
#[derive(Debug, PartialEq, Eq)]
pub struct Unreadable;

impl TrustedProxies {
    /// Whether a proxy of one's own has this address.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Who sent a request that `peer` brought: `peer` itself, or, if that is a trusted proxy, whom the header names.
    ///
    /// The entries are read from the right, `hops` of them at most; an entry that is no trusted proxy ends it. Without the
    /// header the proxy speaks for itself, as with its health checks.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Result<IpAddr, Unreadable> {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return Ok(peer);
        }
        let lines = headers.get_all(&self.header).iter().rev();
        let entries = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        let mut client = peer;
        for entry in entries.take(self.hops.into()) {
            client = address(entry).ok_or(Unreadable)?;
            if !self.trusts(client) {
                break;
            }
        }
        Ok(client)
    }
}

/// Reads `192.0.2.1`, `192.0.2.1:5678`, `2001:db8::1`, `[2001:db8::1]` and `[2001:db8::1]:443`.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).filter(|text| text.contains(':'));
    let alone = bare.unwrap_or(text).parse().ok();
    let address = alone.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const NGINX: &str = "127.0.0.1";
    const EDGE: &str = "198.51.100.7";

    fn client(hops: u8, peer: &str, lines: &[&str]) -> Result<String, Unreadable> {
        let networks = ["127.0.0.0/8", "198.51.100.0/24", "fd00::/8"].map(|network| network.parse().unwrap());
        let proxies = TrustedProxies { networks: networks.into(), hops, ..TrustedProxies::default() };
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(&proxies.header, line.parse().unwrap());
        }
        proxies.client(peer.parse().unwrap(), &headers).map(|address| address.to_string())
    }

    #[rstest]
    #[case::a_stranger_says_what_he_likes("203.0.113.9", &["1.2.3.4"], "203.0.113.9")]
    #[case::what_the_proxy_wrote(NGINX, &["1.2.3.4, 203.0.113.9"], "203.0.113.9")]
    #[case::in_a_line_of_its_own(NGINX, &["1.2.3.4", "203.0.113.9"], "203.0.113.9")]
    #[case::a_proxy_on_its_own_behalf(NGINX, &[], NGINX)]
    #[case::a_proxy_seen_over_ipv6("::ffff:127.0.0.1", &["203.0.113.9"], "203.0.113.9")]
    #[case::further_left_only_by_hops(NGINX, &["203.0.113.9, 198.51.100.7"], EDGE)]
    fn one_proxy_is_believed_and_nobody_else(#[case] peer: &str, #[case] lines: &[&str], #[case] found: &str) {
        assert_eq!(client(1, peer, lines).as_deref(), Ok(found));
    }

    #[rstest]
    #[case::through_both(NGINX, &["1.2.3.4, 203.0.113.9, 198.51.100.7"], "203.0.113.9")]
    #[case::around_the_first(NGINX, &["1.2.3.4, 203.0.113.9"], "203.0.113.9")]
    #[case::the_first_on_its_own_behalf(NGINX, &["198.51.100.7"], EDGE)]
    #[case::past_the_second("203.0.113.9", &["1.2.3.4, 198.51.100.7"], "203.0.113.9")]
    #[case::what_a_client_writes_is_not_read(NGINX, &["nonsense, 203.0.113.9, 198.51.100.7"], "203.0.113.9")]
    fn of_two_proxies_the_first_names_the_client_and_nobody_gets_past_one(
        #[case] peer: &str,
        #[case] lines: &[&str],
        #[case] found: &str,
    ) {
        assert_eq!(client(2, peer, lines).as_deref(), Ok(found));
    }

    #[rstest]
    #[case("1.2.3.4:5678", "1.2.3.4")]
    #[case("[2001:db8::1]:443", "2001:db8::1")]
    #[case("[2001:db8::1]", "2001:db8::1")]
    #[case("2001:db8::1", "2001:db8::1")]
    #[case("::ffff:1.2.3.4", "1.2.3.4")]
    #[case("[::ffff:1.2.3.4]:80", "1.2.3.4")]
    fn an_entry_is_read_as_proxies_write_it(#[case] entry: &str, #[case] found: &str) {
        assert_eq!(client(1, NGINX, &[entry]).as_deref(), Ok(found));
    }

    #[rstest]
    #[case("unknown")]
    #[case("")]
    #[case("203.0.113.9,")]
    #[case("[1.2.3.4]")]
    #[case("1.2.3.4:99999")]
    #[case("example.com")]
    #[case("for=1.2.3.4")]
    fn an_entry_that_is_no_address_is_not_taken_for_the_proxys_own(#[case] entry: &str) {
        assert_eq!(client(1, NGINX, &[entry]), Err(Unreadable));
    }
}
