//! Places for connections: so many in all, so many from one address, and a few more in which a full server still says
//! that it is full, and whether it is well.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use waypost_api::{TrustedProxies, TurnedAway};
use waypost_domain::AddressPrefix;

/// Connections beyond the limits, for everyone: enough to tell health checks from a flood.
const RESERVE: usize = 48;

/// Of the reserve, the most for one address: one that floods leaves room for the health checks of others.
const RESERVE_PER_ADDRESS: usize = 4;

/// Connections beyond the limits and the reserve, for this machine alone, whose health check restarts the process.
const RESERVE_OF_THIS_MACHINE: usize = 16;

/// The most connections beyond the limits.
pub const BEYOND_LIMITS: usize = RESERVE + RESERVE_OF_THIS_MACHINE;

/// How often it is said at most that connections are turned away.
const SAY_EVERY: Duration = Duration::from_mins(1);

/// The places that are taken.
#[derive(Debug)]
pub struct Places {
    proxies: TrustedProxies,
    rooms: Mutex<Rooms>,
}

#[derive(Debug)]
struct Rooms {
    served: Room,
    reserve: Room,
    of_this_machine: Room,
    turned_away: u64,
    said: Option<Instant>,
}

/// Which of the rooms a place is in.
#[derive(Debug, Clone, Copy)]
enum Which {
    Served,
    Reserve,
    OfThisMachine,
}

/// A connection's place. It is free again when this is dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    which: Which,
    prefix: AddressPrefix,
    /// Why it is a place in the reserve, if it is one.
    pub turned_away: Option<TurnedAway>,
}

impl Places {
    /// So many places, of which one address may take so many (none: all). Trusted proxies bring the connections of many
    /// and take as many as they like.
    pub fn new(all: usize, per_address: Option<usize>, proxies: TrustedProxies) -> Arc<Self> {
        let rooms = Rooms {
            served: Room::new(all, per_address.unwrap_or(usize::MAX)),
            reserve: Room::new(RESERVE, RESERVE_PER_ADDRESS),
            of_this_machine: Room::new(RESERVE_OF_THIS_MACHINE, usize::MAX),
            turned_away: 0,
            said: None,
        };
        Arc::new(Self { proxies, rooms: Mutex::new(rooms) })
    }

    /// A place for a connection from this address; none if even the reserve is taken.
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let address = address.to_canonical();
        let prefix = AddressPrefix::of(address);
        let mut rooms = self.lock();
        let place = |which, turned_away| Some(Place { places: Arc::clone(self), which, prefix, turned_away });
        let Err(full) = rooms.served.take(prefix, self.proxies.trusts(address)) else {
            return place(Which::Served, None);
        };
        rooms.say(full);
        if rooms.reserve.take(prefix, false).is_ok() {
            return place(Which::Reserve, Some(full));
        }
        if address.is_loopback() && rooms.of_this_machine.take(prefix, false).is_ok() {
            return place(Which::OfThisMachine, Some(full));
        }
        None
    }

    fn lock(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rooms {
    fn say(&mut self, full: TurnedAway) {
        self.turned_away += 1;
        if self.said.is_some_and(|said| said.elapsed() < SAY_EVERY) {
            return;
        }
        self.said = Some(Instant::now());
        let connections = self.turned_away;
        match full {
            TurnedAway::ServerFull => {
                tracing::warn!(connections, "connections are turned away: the server has as many as it may");
            }
            TurnedAway::AddressFull => tracing::warn!(
                connections,
                "connections are turned away: their address has as many as one may (max_connections_per_address; \
                 trusted_proxies have no such limit)"
            ),
        }
        self.turned_away = 0;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut rooms = self.places.lock();
        let room = match self.which {
            Which::Served => &mut rooms.served,
            Which::Reserve => &mut rooms.reserve,
            Which::OfThisMachine => &mut rooms.of_this_machine,
        };
        room.leave(self.prefix);
    }
}

/// Places that are counted together.
#[derive(Debug)]
struct Room {
    all: usize,
    per_address: usize,
    taken: usize,
    by_address: HashMap<AddressPrefix, usize>,
}

impl Room {
    fn new(all: usize, per_address: usize) -> Self {
        Self { all, per_address, taken: 0, by_address: HashMap::new() }
    }

    fn take(&mut self, prefix: AddressPrefix, is_proxy: bool) -> Result<(), TurnedAway> {
        let own = self.by_address.get(&prefix).copied().unwrap_or_default();
        if own >= self.per_address && !is_proxy {
            return Err(TurnedAway::AddressFull);
        }
        if self.taken >= self.all {
            return Err(TurnedAway::ServerFull);
        }
        self.taken += 1;
        self.by_address.insert(prefix, own + 1);
        Ok(())
    }

    fn leave(&mut self, prefix: AddressPrefix) {
        self.taken -= 1;
        if let Some(own) = self.by_address.get_mut(&prefix) {
            *own -= 1;
            if *own == 0 {
                self.by_address.remove(&prefix);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn proxies() -> TrustedProxies {
        TrustedProxies { networks: vec!["10.0.0.0/8".parse().unwrap()], ..TrustedProxies::default() }
    }

    #[tokio::test]
    async fn one_address_leaves_room_for_others() {
        let places = Places::new(10, Some(3), proxies());
        let held: Vec<_> = (0..4).map(|_| places.take(address("192.0.2.1")).unwrap()).collect();
        assert_eq!(held[2].turned_away, None);
        assert_eq!(held[3].turned_away, Some(TurnedAway::AddressFull));
        assert_eq!(places.take(address("192.0.2.2")).unwrap().turned_away, None);
    }

    #[tokio::test]
    async fn the_addresses_of_one_ipv6_customer_are_one() {
        let places = Places::new(10, Some(1), proxies());
        let _one = places.take(address("2001:db8::1")).unwrap();
        assert_eq!(places.take(address("2001:db8::2")).unwrap().turned_away, Some(TurnedAway::AddressFull));
    }

    #[tokio::test]
    async fn a_trusted_proxy_brings_the_connections_of_many() {
        let places = Places::new(10, Some(1), proxies());
        let held: Vec<_> = (0..11).map(|_| places.take(address("10.0.0.1")).unwrap()).collect();
        assert_eq!(held[9].turned_away, None);
        assert_eq!(held[10].turned_away, Some(TurnedAway::ServerFull));
    }

    #[tokio::test]
    async fn who_fills_the_server_leaves_a_reserve_to_others_and_to_this_machine() {
        let places = Places::new(1, None, proxies());
        let flood = |n: u8| std::iter::from_fn(move || Some([192, 0, 2, n].into()));
        let mut held: Vec<_> = flood(1).map_while(|from| places.take(from)).take(1000).collect();
        assert_eq!(held.len(), 1 + RESERVE_PER_ADDRESS);
        assert!(places.take(address("192.0.2.200")).is_some(), "another address found no place");
        held.extend((2..100).flat_map(flood_of(&places)));
        assert_eq!(held.len(), 1 + RESERVE);
        assert!(places.take(address("192.0.2.200")).is_none());
        assert!(places.take(address("127.0.0.1")).is_some(), "this machine found no place");
    }

    fn flood_of(places: &Arc<Places>) -> impl Fn(u8) -> Vec<Place> {
        move |n| (0..1000).map_while(|_| places.take([192, 0, 2, n].into())).collect()
    }

    #[tokio::test]
    async fn a_place_that_is_left_is_free_and_forgotten() {
        let places = Places::new(1, Some(1), proxies());
        for _ in 0..3 {
            let place = places.take(address("192.0.2.1")).unwrap();
            assert_eq!(place.turned_away, None);
        }
        let rooms = places.lock();
        assert!(rooms.served.taken == 0 && rooms.served.by_address.is_empty());
    }
}
