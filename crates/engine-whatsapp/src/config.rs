//! What an operator can set, and what is refused.

use std::{
    net::{SocketAddr, ToSocketAddrs as _},
    time::Duration,
};

use ureq::http::Uri;
use whatsapp_rust::waproto::whatsapp::device_props::PlatformType;

/// How the engine reaches WhatsApp and what it tells it.
#[derive(Debug, Clone)]
pub struct WhatsappConfig {
    /// Where the simulator listens (`ws://127.0.0.1:8080/ws/chat`); none for WhatsApp itself. Only with the feature
    /// `wire-sim`, and then only loopback addresses.
    pub url: Option<String>,
    /// The version of WhatsApp Web to claim. None: looked up once in this process, at `web.whatsapp.com`.
    pub version: Option<(u32, u32, u32)>,
    /// How the device is called in the phone's list of linked devices. None: each session's own name.
    pub device_name: Option<String>,
    /// What kind of device the phone shows.
    pub device_platform: DevicePlatform,
    /// How many one-time prekeys are made at linking and whenever the server runs low.
    ///
    /// Each new contact that writes first uses one up; without them the first message is merely less protected. WhatsApp
    /// Web makes 812, which costs 12 ms of CPU and 812 encrypted rows for each session that is linked
    /// (docs/protocol.md, "Cost"); 200 cost a quarter, and leave 195 first contacts between two uploads.
    pub prekeys: usize,
    /// How long the lookup of the version may take.
    pub version_timeout: Duration,
    /// How many uploads and downloads run at once over all sessions.
    pub parallel_transfers: usize,
    /// How many connections all sessions together make in a second.
    pub dials_per_second: u32,
    /// How patient a link is.
    pub timings: Timings,
}

/// How patient a link is. The defaults are what the promises go by; tests are in more of a hurry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timings {
    /// How often a connection is looked at.
    pub look: Duration,
    /// How long a connection may say nothing, or leave messages unanswered, before it is asked for a sign of life.
    pub quiet: Duration,
    /// How long the answer may take.
    pub answer: Duration,
    /// How long a connection may leave every message unanswered before it is given up, whatever else it answers.
    pub mute: Duration,
    /// How long a login may lead nowhere.
    pub login: Duration,
    /// The same for the first login after linking: the client itself waits 180 s for the phone.
    pub first_login: Duration,
    /// The first pause before a login that makes sure that a device was unlinked.
    pub doubt: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            look: Duration::from_secs(5),
            quiet: Duration::from_secs(20),
            answer: Duration::from_secs(15),
            mute: Duration::from_secs(45),
            login: Duration::from_secs(35),
            first_login: Duration::from_secs(200),
            doubt: Duration::from_secs(3),
        }
    }
}

impl Default for WhatsappConfig {
    fn default() -> Self {
        Self {
            url: None,
            version: None,
            device_name: None,
            device_platform: DevicePlatform::Chrome,
            prekeys: 200,
            version_timeout: Duration::from_secs(10),
            parallel_transfers: 16,
            dials_per_second: 20,
            timings: Timings::default(),
        }
    }
}

/// The kinds of linked device that a phone has an icon for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DevicePlatform {
    /// Google Chrome.
    Chrome,
    /// Mozilla Firefox.
    Firefox,
    /// Microsoft Edge.
    Edge,
    /// Safari.
    Safari,
    /// The desktop app.
    Desktop,
}

impl DevicePlatform {
    pub(crate) const fn to_wire(self) -> PlatformType {
        match self {
            Self::Chrome => PlatformType::CHROME,
            Self::Firefox => PlatformType::FIREFOX,
            Self::Edge => PlatformType::EDGE,
            Self::Safari => PlatformType::SAFARI,
            Self::Desktop => PlatformType::DESKTOP,
        }
    }
}

/// Why a configuration is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// An address is set in a build without the feature `wire-sim`.
    #[error("a WhatsApp address can only be set in a build with the feature wire-sim")]
    AddressNeedsSimulator,
    /// The address is none.
    #[error("the WhatsApp address is not of the form ws://host:port/path or wss://host:port/path")]
    BadAddress,
    /// The address leads, or may lead, out of this machine.
    #[error("a build with wire-sim checks no server certificate: the WhatsApp address must be loopback")]
    NotLoopback,
}

/// Where to dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Dial {
    /// WhatsApp.
    Whatsapp,
    /// A simulator on this machine. The host is an IP address already, so that no later look-up can lead elsewhere.
    Simulator(String),
    /// A build for simulators without one: it never talks to WhatsApp.
    Nowhere,
}

impl Dial {
    /// What `url` and the build allow.
    pub(crate) fn new(url: Option<&str>) -> Result<Self, ConfigError> {
        match (url, cfg!(feature = "wire-sim")) {
            (None, false) => Ok(Self::Whatsapp),
            (None, true) => Ok(Self::Nowhere),
            (Some(_), false) => Err(ConfigError::AddressNeedsSimulator),
            (Some(url), true) => loopback_address(url).map(Self::Simulator),
        }
    }
}

fn loopback_address(url: &str) -> Result<String, ConfigError> {
    let uri: Uri = url.parse().map_err(|_| ConfigError::BadAddress)?;
    let (scheme, default_port) = match uri.scheme_str() {
        Some("ws") => ("ws", 80),
        Some("wss") => ("wss", 443),
        _ => return Err(ConfigError::BadAddress),
    };
    let host = uri.host().ok_or(ConfigError::BadAddress)?.trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(default_port);
    let addresses: Vec<SocketAddr> = (host, port).to_socket_addrs().map_err(|_| ConfigError::BadAddress)?.collect();
    if !addresses.iter().all(|address| address.ip().to_canonical().is_loopback()) {
        return Err(ConfigError::NotLoopback);
    }
    let address = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
    let address = address.ok_or(ConfigError::BadAddress)?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    Ok(format!("{scheme}://{address}{path}"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("ws://127.0.0.1:8080/ws/chat", "ws://127.0.0.1:8080/ws/chat")]
    #[case("wss://127.9.9.9/ws/chat?x=1", "wss://127.9.9.9:443/ws/chat?x=1")]
    #[case("ws://[::1]:8080", "ws://[::1]:8080/")]
    fn a_loopback_address_is_dialled_as_it_resolved(#[case] url: &str, #[case] dialled: &str) {
        assert_eq!(loopback_address(url).as_deref(), Ok(dialled));
    }

    #[test]
    fn a_name_is_replaced_by_the_address_behind_it() {
        let dialled = loopback_address("ws://localhost:8080/ws/chat").unwrap();
        assert!(["ws://127.0.0.1:8080/ws/chat", "ws://[::1]:8080/ws/chat"].contains(&dialled.as_str()), "{dialled}");
    }

    #[rstest]
    #[case("ws://192.0.2.1:8080/ws/chat")]
    #[case("ws://10.0.0.1/ws/chat")]
    #[case("wss://[2001:db8::1]/ws/chat")]
    #[case("ws://0.0.0.0:8080/ws/chat")]
    fn an_address_elsewhere_is_refused(#[case] url: &str) {
        assert_eq!(loopback_address(url), Err(ConfigError::NotLoopback));
    }

    #[rstest]
    #[case("http://127.0.0.1/")]
    #[case("127.0.0.1:8080")]
    #[case("")]
    fn what_is_no_websocket_address_is_refused(#[case] url: &str) {
        assert_eq!(loopback_address(url), Err(ConfigError::BadAddress));
    }

    #[cfg(not(feature = "wire-sim"))]
    #[test]
    fn a_release_takes_no_address_at_all() {
        assert_eq!(Dial::new(None), Ok(Dial::Whatsapp));
        assert_eq!(Dial::new(Some("ws://127.0.0.1:1/")), Err(ConfigError::AddressNeedsSimulator));
    }

    #[cfg(feature = "wire-sim")]
    #[test]
    fn a_build_for_the_simulator_never_dials_whatsapp() {
        assert_eq!(Dial::new(None), Ok(Dial::Nowhere));
    }
}
