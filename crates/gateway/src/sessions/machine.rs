//! The state machine of a session: [`State::next`] is the one function that may move it.
//!
//! It guarantees (design.md, promise 6) that no state is a dead end: from every state `connect` leads towards a
//! connection, or is refused with the time from which it will not be; `disconnect` ends every attempt; `logout` always
//! unlinks. `connected` follows the engine's word alone, and the link to an account is given up only by an explicit
//! logout or by the engine's word that the device was removed.

use waypost_domain::{LastError, SessionStatus, Timestamp};
use waypost_engine::{EndReason, EngineEvent};

/// The part of a session that moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) status: SessionStatus,
    pub(crate) linked: bool,
    pub(crate) wanted: bool,
    pub(crate) last_error: Option<LastError>,
}

/// What moves it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Input<'a> {
    /// A caller, or the start of the process, wants a connection.
    Connect,
    /// A caller wants none.
    Disconnect,
    /// A caller gives up the link to the account.
    LogOut,
    /// The engine says what happened.
    Engine(&'a EngineEvent),
}

/// Why a step is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The account is restricted until this time.
    RestrictedUntil(Timestamp),
}

impl State {
    /// Where `input` takes the session.
    pub(crate) fn next(&self, input: Input<'_>, now: Timestamp) -> Result<Self, Refusal> {
        match input {
            Input::Connect => self.connect(now),
            Input::Disconnect => Ok(self.disconnect()),
            Input::LogOut => {
                Ok(Self { status: SessionStatus::LoggedOut, linked: false, wanted: false, last_error: None })
            }
            Input::Engine(event) => Ok(self.hear(event, now)),
        }
    }

    /// Whether a connection is there or on its way.
    pub(crate) const fn is_under_way(&self) -> bool {
        matches!(self.status, SessionStatus::Connecting | SessionStatus::Qr | SessionStatus::Connected)
    }

    fn connect(&self, now: Timestamp) -> Result<Self, Refusal> {
        if self.is_under_way() {
            return Ok(Self { wanted: true, ..self.clone() });
        }
        let until = self.last_error.as_ref().and_then(|error| error.until);
        match (self.status, until) {
            (SessionStatus::Restricted, Some(until)) if until > now => Err(Refusal::RestrictedUntil(until)),
            _ => Ok(Self { status: SessionStatus::Connecting, wanted: true, last_error: None, linked: self.linked }),
        }
    }

    fn disconnect(&self) -> Self {
        let status = if self.is_under_way() { SessionStatus::Disconnected } else { self.status };
        Self { status, wanted: false, ..self.clone() }
    }

    fn hear(&self, event: &EngineEvent, now: Timestamp) -> Self {
        let error =
            |code: &str, message: String, until| Some(LastError { code: code.to_owned(), message, at: now, until });
        match event {
            EngineEvent::Qr { .. } => Self { status: SessionStatus::Qr, last_error: None, ..self.clone() },
            EngineEvent::QrExhausted => Self {
                status: SessionStatus::Disconnected,
                wanted: false,
                last_error: error(
                    "QR_EXPIRED",
                    "No phone scanned the QR code in time. Connect again for a new one".into(),
                    None,
                ),
                ..self.clone()
            },
            EngineEvent::Linked { .. } => {
                Self { status: SessionStatus::Connecting, linked: true, last_error: None, ..self.clone() }
            }
            EngineEvent::Connecting => Self { status: SessionStatus::Connecting, ..self.clone() },
            EngineEvent::Connected { .. } => {
                Self { status: SessionStatus::Connected, linked: true, last_error: None, ..self.clone() }
            }
            EngineEvent::ConnectionLost { reason } => Self {
                // A lost attempt to connect is still an attempt: only what was connected is told as disconnected.
                status: match self.status {
                    SessionStatus::Connected => SessionStatus::Disconnected,
                    SessionStatus::Qr => SessionStatus::Connecting,
                    other => other,
                },
                last_error: error(
                    "CONNECTION_LOST",
                    format!("The connection was lost ({reason}). It is being made again; nothing needs to be done"),
                    None,
                ),
                ..self.clone()
            },
            EngineEvent::Ended(reason) => self.end(reason, now),
            EngineEvent::Acked { .. } | EngineEvent::Refused { .. } | EngineEvent::Receipt { .. } => self.clone(),
        }
    }

    fn end(&self, reason: &EndReason, now: Timestamp) -> Self {
        let (status, code, message, until) = match reason {
            EndReason::LoggedOut { reason } => (
                SessionStatus::LoggedOut,
                "LOGGED_OUT",
                format!("The device was unlinked ({reason}). Connect and scan a new QR code to link it again"),
                None,
            ),
            EndReason::Replaced => (
                SessionStatus::Replaced,
                "REPLACED",
                "Another client took over this device's connection. Stop the other client, then connect".to_owned(),
                None,
            ),
            EndReason::Restricted { reason, until } => (
                SessionStatus::Restricted,
                "RESTRICTED",
                match until {
                    Some(until) => {
                        format!("WhatsApp restricted the account until {until} ({reason}). Connect after that")
                    }
                    None => format!("WhatsApp restricted the account ({reason}). Look at the phone, then connect"),
                },
                *until,
            ),
            EndReason::ClientOutdated => (
                SessionStatus::ClientOutdated,
                "CLIENT_OUTDATED",
                "WhatsApp refuses this client's version. Set a newer one in the configuration, then connect".to_owned(),
                None,
            ),
            EndReason::Refused { reason } => (
                SessionStatus::Disconnected,
                "LOGIN_REFUSED",
                format!("WhatsApp refused the login ({reason}). Connect to try again"),
                None,
            ),
        };
        Self {
            status,
            linked: self.linked && status != SessionStatus::LoggedOut,
            // A refused version or login is tried again after a restart, which may bring a new version; where the
            // account was lost or restricted, only a person can say that it makes sense.
            wanted: self.wanted && matches!(reason, EndReason::ClientOutdated | EndReason::Refused { .. }),
            last_error: Some(LastError { code: code.to_owned(), message, at: now, until }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn last_error() -> impl Strategy<Value = Option<LastError>> {
        prop::option::of(prop::option::of(-10_000_i64..10_000).prop_map(|offset| LastError {
            code: "RESTRICTED".to_owned(),
            message: "Wait".to_owned(),
            at: NOW,
            until: offset.map(|offset| Timestamp::from_millis(NOW.as_millis() + offset)),
        }))
    }

    fn state() -> impl Strategy<Value = State> {
        (prop::sample::select(SessionStatus::ALL.to_vec()), any::<bool>(), any::<bool>(), last_error())
            .prop_map(|(status, linked, wanted, last_error)| State { status, linked, wanted, last_error })
    }

    fn event() -> impl Strategy<Value = EngineEvent> {
        let until = prop::option::of(-10_000_i64..10_000)
            .prop_map(|offset| offset.map(|offset| Timestamp::from_millis(NOW.as_millis() + offset)));
        prop_oneof![
            Just(EngineEvent::Qr { code: "2@".to_owned(), expires_at: NOW }),
            Just(EngineEvent::QrExhausted),
            Just(EngineEvent::Linked { phone_number: "919876543210".parse().unwrap(), lid: None, push_name: None }),
            Just(EngineEvent::Connecting),
            Just(EngineEvent::Connected { push_name: None }),
            Just(EngineEvent::ConnectionLost { reason: "reset".to_owned() }),
            Just(EngineEvent::Ended(EndReason::LoggedOut { reason: "401".to_owned() })),
            Just(EngineEvent::Ended(EndReason::Replaced)),
            until.prop_map(|until| EngineEvent::Ended(EndReason::Restricted { reason: "402".to_owned(), until })),
            Just(EngineEvent::Ended(EndReason::ClientOutdated)),
            Just(EngineEvent::Ended(EndReason::Refused { reason: "500".to_owned() })),
        ]
    }

    proptest! {
        #[test]
        fn connect_leads_to_a_connection_or_says_until_when_it_will_not(state in state()) {
            match state.next(Input::Connect, NOW) {
                Ok(next) => prop_assert!(next.is_under_way() && next.wanted),
                Err(Refusal::RestrictedUntil(until)) => {
                    prop_assert_eq!(state.status, SessionStatus::Restricted);
                    prop_assert!(until > NOW);
                    prop_assert!(state.next(Input::Connect, until).unwrap().is_under_way());
                }
            }
        }

        #[test]
        fn disconnect_ends_every_attempt_and_keeps_the_link(state in state()) {
            let next = state.next(Input::Disconnect, NOW).unwrap();
            prop_assert!(!next.is_under_way() && !next.wanted);
            prop_assert_eq!(next.linked, state.linked);
        }

        #[test]
        fn logout_always_unlinks(state in state()) {
            let next = state.next(Input::LogOut, NOW).unwrap();
            prop_assert_eq!(next.status, SessionStatus::LoggedOut);
            prop_assert!(!next.linked && !next.wanted);
        }

        #[test]
        fn only_the_engine_says_connected(state in state(), event in event()) {
            let next = state.next(Input::Engine(&event), NOW).unwrap();
            if next.status == SessionStatus::Connected {
                prop_assert_eq!(&event, &EngineEvent::Connected { push_name: None });
                prop_assert!(next.linked && next.last_error.is_none());
            }
        }

        #[test]
        fn the_link_is_given_up_only_where_the_device_was_removed(state in state(), event in event()) {
            let next = state.next(Input::Engine(&event), NOW).unwrap();
            if state.linked && !next.linked {
                let removed = matches!(event, EngineEvent::Ended(EndReason::LoggedOut { .. }));
                prop_assert!(removed);
            }
        }

        #[test]
        fn what_ends_a_connection_says_what_to_do(state in state(), event in event()) {
            let next = state.next(Input::Engine(&event), NOW).unwrap();
            if state.is_under_way() && !next.is_under_way() {
                let error = next.last_error.expect("an ended connection says why");
                prop_assert!(!error.code.is_empty() && error.message.contains(' '));
            }
        }
    }
}
