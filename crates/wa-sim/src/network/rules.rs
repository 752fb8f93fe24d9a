//! What can go wrong with connections, as a caller writes it.

use serde::{Deserialize, Serialize};

/// Whom something is about. Nothing named means everybody.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// Number of the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pn: Option<String>,
    /// Number of the companion; all of the account's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<u16>,
}

impl Scope {
    /// The whole server.
    pub fn everybody() -> Self {
        Self::default()
    }

    /// All companions of an account.
    pub fn account(pn: &str) -> Self {
        Self { pn: Some(pn.trim_start_matches('+').to_owned()), device: None }
    }

    /// One companion.
    pub fn device(pn: &str, device: u16) -> Self {
        Self { device: Some(device), ..Self::account(pn) }
    }

    /// Whether a connection is meant; one that has not said who it is belongs to everybody only.
    pub(crate) fn covers(&self, who: Option<&(String, u16)>) -> bool {
        match who {
            Some((pn, device)) => {
                self.pn.as_ref().is_none_or(|only| only.trim_start_matches('+') == pn)
                    && self.device.is_none_or(|only| only == *device)
            }
            None => *self == Self::default(),
        }
    }

    /// How closely it names somebody: a device, an account, or everybody.
    pub(crate) fn weight(&self) -> usize {
        usize::from(self.pn.is_some()) + usize::from(self.device.is_some())
    }
}

/// `<failure>`, the answer to a login.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// 401 unlinked, 402 banned for a time, 403 locked, 405 outdated, 406, 409, 500, 503 …
    pub reason: u16,
    /// Sub-reason of a ban; 101 for a 402 that names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u32>,
    /// Length of a ban in seconds; 3600 for a 402 that names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire: Option<u64>,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// `<stream:error>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamError {
    /// 401, 429, 500, 503, 515, 516 …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// `replaced` or `device_removed`: `<conflict type=…/>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflict: Option<String>,
    /// `<ack class=message id=…/>` inside, for the stanza with this id: the server's way to say that a
    /// stanza was never acked (WAHA#2151).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ack: Option<String>,
    /// Any other empty child, for instance `xml-not-well-formed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child: Option<String>,
    /// Whether the server closes the socket behind it.
    #[serde(default = "yes")]
    pub close: bool,
}

fn yes() -> bool {
    true
}

impl StreamError {
    /// With a code, closing.
    pub fn code(code: u16) -> Self {
        Self { code: Some(code), close: true, ..Self::default() }
    }

    /// With a conflict, closing.
    pub fn conflict(kind: &str) -> Self {
        Self { conflict: Some(kind.to_owned()), close: true, ..Self::default() }
    }
}

/// What goes wrong with a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum ConnectionFault {
    /// The socket stays open; nothing is answered, nothing is sent, what comes is swallowed.
    Silence {
        /// WebSocket pings are answered all the same.
        #[serde(default)]
        pong: bool,
    },
    /// Logins succeed, and after `<success>` there is silence.
    DeafLogin,
    /// Requests (keepalives among them) are answered; messages and receipts are swallowed, and none delivered.
    Deaf,
    /// Logins are refused.
    Failure(Failure),
    /// Logins succeed and end in a stream error.
    StreamError(StreamError),
    /// The socket is cut with the client's n-th stanza after login: it is taken, its answer is not sent.
    CloseAfter {
        /// How many the client may say.
        stanzas: u32,
    },
}

impl ConnectionFault {
    /// Whether it strikes connections that are up already.
    pub(crate) fn is_standing(&self) -> bool {
        matches!(self, Self::Silence { .. } | Self::Deaf)
    }
}

/// A fault, whom it strikes and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionRule {
    /// What goes wrong.
    #[serde(flatten)]
    pub fault: ConnectionFault,
    /// With whom.
    #[serde(flatten)]
    pub scope: Scope,
    /// How many logins it strikes before it is gone. With it, silence and deafness strike logins only,
    /// without it connections that are up as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// Milliseconds until it is gone, and with it what it did to connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_ms: Option<u64>,
}

impl ConnectionRule {
    /// Strikes until it is removed.
    pub fn new(fault: ConnectionFault, scope: Scope) -> Self {
        Self { fault, scope, times: None, for_ms: None }
    }

    /// Strikes this many logins.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }
}

/// Latency and bandwidth of somebody's connections.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// Whose; the closest name wins.
    #[serde(flatten)]
    pub scope: Scope,
    /// Milliseconds each stanza is later at the client: what a client sees as its round trip.
    #[serde(default)]
    pub latency_ms: u32,
    /// Up to as many milliseconds more, at random. Order is kept.
    #[serde(default)]
    pub jitter_ms: u32,
    /// Bytes per second in each direction; 0 is unlimited.
    #[serde(default)]
    pub bytes_per_sec: u64,
}

/// How connects are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Refusing {
    /// Accepted, and closed when the WebSocket is asked for. The admin interface goes on.
    Close,
    /// The WebSocket is answered with HTTP 503. The admin interface goes on.
    Http503,
    /// The port is closed, to the admin interface too.
    NotListening,
}

/// Refused connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refuse {
    /// In which way.
    pub how: Refusing,
    /// Milliseconds until it is over; until told when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_ms: Option<u64>,
}

/// A version a client can call itself, as in `2.3000.1043857760`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub(crate) [u32; 3]);

impl Version {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('.').map(|part| part.parse().ok());
        let version = [parts.next()??, parts.next()??, parts.next()??];
        parts.next().is_none().then_some(Self(version))
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c] = self.0;
        write!(f, "{a}.{b}.{c}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_read_as_the_readme_writes_them() {
        let rule = |json: &str| serde_json::from_str::<ConnectionRule>(json).unwrap();
        let ban = rule(r#"{"kind":"failure","reason":402,"code":103,"expire":60,"pn":"49151","device":2,"times":1}"#);
        assert_eq!(ban.scope, Scope::device("+49151", 2));
        let ConnectionFault::Failure(failure) = ban.fault else { panic!("{ban:?}") };
        assert_eq!((failure.reason, failure.code, failure.expire), (402, Some(103), Some(60)));
        let conflict = rule(r#"{"kind":"streamError","conflict":"replaced"}"#);
        assert_eq!(conflict.fault, ConnectionFault::StreamError(StreamError::conflict("replaced")));
        assert_eq!(rule(r#"{"kind":"silence"}"#).fault, ConnectionFault::Silence { pong: false });
        assert_eq!(rule(r#"{"kind":"closeAfter","stanzas":3}"#).fault, ConnectionFault::CloseAfter { stanzas: 3 });
    }

    #[test]
    fn versions_compare_by_number() {
        let version = |text| Version::parse(text).unwrap();
        assert!(version("2.3000.9") < version("2.3000.10") && version("2.2999.999") < version("2.3000.0"));
        assert!(Version::parse("2.3000").is_none() && Version::parse("2.3000.1.2").is_none());
    }
}
