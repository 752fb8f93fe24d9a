//! What limits count instead of an address.

use std::net::{IpAddr, Ipv6Addr};

/// The addresses that one client has for itself: one IPv4 address, or an IPv6 /56, the least that providers give to a
/// household (RIPE-690). A limit per IPv6 address would be none: whoever has a /56 has 2^72 of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientNetwork(IpAddr);

impl ClientNetwork {
    /// The network that an address is in. An IPv4 address in IPv6's clothes counts as what it is.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self(Ipv6Addr::new(a, b, c, d & 0xff00, 0, 0, 0, 0).into())
            }
            address @ IpAddr::V4(_) => Self(address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: &str) -> ClientNetwork {
        ClientNetwork::of(address.parse().unwrap())
    }

    #[test]
    fn a_household_is_one_network_and_its_neighbour_another() {
        assert_eq!(of("2001:db8:0:ab00::1"), of("2001:db8:0:abff:1:2:3:4"));
        assert_ne!(of("2001:db8:0:ab00::1"), of("2001:db8:0:ac00::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}
