//! The state machine of a session: [`SessionState::next`] is the one function that may move it.
//!
//! It guarantees (docs/guarantees.md, section 6) that no state is a dead end: from every state `connect` leads towards a
//! connection, or is refused with the time from which it will not be; `disconnect` ends every attempt; `logout` always
//! unlinks. `connected` follows the engine's events alone, and the link to an account is given up only by an explicit
//! logout or by the engine's event that the device was removed.
//!
//! An end that may pass is tried again without anybody asking ([`SessionState::retry_at`]): a restriction when it ends, or
//! after growing pauses if WhatsApp does not say; a refused login and a connection that could not be started after the
//! same pauses. They grow with every end in a row, across lost connections and restarts, until the session is connected or a
//! person asks for something else.

use std::time::Duration;

use crate::{EndReason, LastError, SessionEvent, SessionStatus, Timestamp};

/// The part of a session that moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionState {
    /// Its status.
    pub status: SessionStatus,
    /// Whether it is linked to an account.
    pub linked: bool,
    /// Whether it should be connected.
    pub wanted: bool,
    /// Why it left `connected`, or could not get there.
    pub last_error: Option<LastError>,
}

/// What moves it.
#[derive(Debug, Clone, Copy)]
pub enum SessionInput<'a> {
    /// A caller wants a connection.
    Connect,
    /// A connection that is wanted is tried again without anybody asking.
    Retry,
    /// The connection could not even be started.
    NotStarted,
    /// A caller wants none.
    Disconnect,
    /// A caller gives up the link to the account.
    LogOut,
    /// Something happened at the network.
    Event(&'a SessionEvent),
}

/// Why a step is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionRefusal {
    /// The account is restricted until this time.
    RestrictedUntil(Timestamp),
}

impl SessionState {
    /// Where `input` takes the session. `pauses` are those before each attempt that nobody asks for; the last repeats.
    ///
    /// # Errors
    /// [`SessionRefusal`] for a [`SessionInput::Connect`] that may not be followed now.
    pub fn next(&self, input: SessionInput<'_>, now: Timestamp, pauses: &[Duration]) -> Result<Self, SessionRefusal> {
        match input {
            SessionInput::Connect => self.connect(now),
            SessionInput::Retry => Ok(self.retry()),
            SessionInput::NotStarted => {
                let message = "The connection could not be started. It is tried again by itself; connect to try sooner";
                let error = LastError::new("CONNECT_FAILED", message, now);
                Ok(self.down(SessionStatus::Disconnected, error, pauses))
            }
            SessionInput::Disconnect => Ok(self.disconnect()),
            SessionInput::LogOut => {
                Ok(Self { status: SessionStatus::LoggedOut, linked: false, wanted: false, last_error: None })
            }
            SessionInput::Event(event) => Ok(self.hear(event, now, pauses)),
        }
    }

    /// When the next automatic attempt to connect is due, if one is planned.
    pub fn retry_at(&self) -> Option<Timestamp> {
        self.last_error.as_ref().and_then(|error| error.retry_at)
    }

    /// Whether a connection is there or on its way.
    pub const fn is_under_way(&self) -> bool {
        matches!(self.status, SessionStatus::Connecting | SessionStatus::Qr | SessionStatus::Connected)
    }

    /// Whether it should have a connection now without anybody asking.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.wanted && self.linked && self.retry_at().is_none_or(|at| at <= now)
    }

    fn connect(&self, now: Timestamp) -> Result<Self, SessionRefusal> {
        if self.is_under_way() {
            return Ok(Self { wanted: true, ..self.clone() });
        }
        let until = self.last_error.as_ref().and_then(|error| error.until);
        match (self.status, until) {
            (SessionStatus::Restricted, Some(until)) if until > now => Err(SessionRefusal::RestrictedUntil(until)),
            _ => Ok(Self { status: SessionStatus::Connecting, wanted: true, last_error: None, linked: self.linked }),
        }
    }

    fn retry(&self) -> Self {
        let status = if self.is_under_way() { self.status } else { SessionStatus::Connecting };
        Self { status, ..self.without_retry() }
    }

    fn disconnect(&self) -> Self {
        let status = if self.is_under_way() { SessionStatus::Disconnected } else { self.status };
        Self { status, wanted: false, ..self.without_retry() }
    }

    /// The same, with no attempt planned. How many there were is remembered.
    fn without_retry(&self) -> Self {
        let last_error = self.last_error.clone().map(|error| LastError { retry_at: None, ..error });
        Self { last_error, ..self.clone() }
    }

    /// How many attempts have ended in a row.
    fn attempts(&self) -> u32 {
        self.last_error.as_ref().map_or(0, |error| error.attempts)
    }

    fn hear(&self, event: &SessionEvent, now: Timestamp, pauses: &[Duration]) -> Self {
        match event {
            SessionEvent::Qr { .. } => Self { status: SessionStatus::Qr, last_error: None, ..self.clone() },
            SessionEvent::QrExhausted => {
                let message = "No phone scanned the QR code in time. Connect again for a new one";
                let last_error = Some(LastError::new("QR_EXPIRED", message, now));
                Self { status: SessionStatus::Disconnected, wanted: false, last_error, ..self.clone() }
            }
            SessionEvent::Linked { .. } => {
                Self { status: SessionStatus::Connecting, linked: true, last_error: None, ..self.clone() }
            }
            SessionEvent::Connecting => Self { status: SessionStatus::Connecting, ..self.clone() },
            SessionEvent::Connected { .. } => {
                Self { status: SessionStatus::Connected, linked: true, last_error: None, ..self.clone() }
            }
            SessionEvent::ConnectionLost { reason } => {
                let message =
                    format!("The connection was lost ({reason}). It is being made again; nothing needs to be done");
                let error = LastError { attempts: self.attempts(), ..LastError::new("CONNECTION_LOST", message, now) };
                // A lost attempt to connect is still an attempt: only what was connected is told as disconnected.
                let status = match self.status {
                    SessionStatus::Connected => SessionStatus::Disconnected,
                    SessionStatus::Qr => SessionStatus::Connecting,
                    other => other,
                };
                Self { status, last_error: Some(error), ..self.clone() }
            }
            SessionEvent::Ended(reason) => self.end(reason, now, pauses),
        }
    }

    fn end(&self, reason: &EndReason, now: Timestamp, pauses: &[Duration]) -> Self {
        match reason {
            EndReason::LoggedOut { reason } => {
                let message =
                    format!("The device was unlinked ({reason}). Connect and scan a new QR code to link it again");
                let last_error = Some(LastError::new("LOGGED_OUT", message, now));
                Self { status: SessionStatus::LoggedOut, linked: false, wanted: false, last_error }
            }
            // The other client would lose the connection in turn, without end: a person must say who is to have it.
            EndReason::Replaced => {
                let message = "Another client took over this device's connection. Stop the other client, then connect";
                let last_error = Some(LastError::new("REPLACED", message, now));
                Self { status: SessionStatus::Replaced, wanted: false, last_error, ..self.clone() }
            }
            EndReason::Restricted { reason, until } => {
                let message = match until {
                    Some(until) => format!(
                        "WhatsApp restricted the account until {until} ({reason}). It is connected again by itself then"
                    ),
                    None => format!(
                        "WhatsApp restricted the account ({reason}). Look at the phone. It is tried again by itself; \
                         connect to try sooner"
                    ),
                };
                let error = LastError { until: *until, ..LastError::new("RESTRICTED", message, now) };
                self.down(SessionStatus::Restricted, error, pauses)
            }
            EndReason::ClientOutdated => {
                let message = "WhatsApp refuses this client's version. The session comes back by itself when the \
                               operator sets a newer one; connect to try again";
                let last_error = Some(LastError::new("CLIENT_OUTDATED", message, now));
                Self { status: SessionStatus::ClientOutdated, last_error, ..self.clone() }
            }
            EndReason::Refused { reason } => {
                let message = format!(
                    "WhatsApp refused the login ({reason}). It is tried again by itself; connect to try sooner"
                );
                self.down(SessionStatus::Disconnected, LastError::new("LOGIN_REFUSED", message, now), pauses)
            }
        }
    }

    /// Down for a reason that may pass: tried again when it ends, or after a pause that grows.
    fn down(&self, status: SessionStatus, error: LastError, pauses: &[Duration]) -> Self {
        let earlier = self.attempts();
        let step = usize::try_from(earlier).unwrap_or(usize::MAX).min(pauses.len().saturating_sub(1));
        let after_pause = error.at.plus(pauses.get(step).copied().unwrap_or_default());
        let at = match error.until {
            // The first time the end is believed as it is; a restriction that goes on is not asked about sooner.
            Some(until) if earlier == 0 => until,
            Some(until) => until.max(after_pause),
            None => after_pause,
        };
        let retry_at = (self.wanted && self.linked).then_some(at);
        let last_error = LastError { retry_at, attempts: earlier.saturating_add(1), ..error };
        Self { status, last_error: Some(last_error), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ConnectionId;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const PAUSES: [Duration; 3] = [Duration::from_mins(5), Duration::from_mins(15), Duration::from_hours(1)];

    fn moment() -> impl Strategy<Value = Option<Timestamp>> {
        prop::option::of((-10_000_i64..10_000).prop_map(|offset| Timestamp::from_millis(NOW.as_millis() + offset)))
    }

    fn last_error() -> impl Strategy<Value = Option<LastError>> {
        prop::option::of((moment(), moment(), 0_u32..10).prop_map(|(until, retry_at, attempts)| LastError {
            until,
            retry_at,
            attempts,
            ..LastError::new("RESTRICTED", "Wait", NOW)
        }))
    }

    fn state() -> impl Strategy<Value = SessionState> {
        (prop::sample::select(SessionStatus::ALL.to_vec()), any::<bool>(), any::<bool>(), last_error())
            .prop_map(|(status, linked, wanted, last_error)| SessionState { status, linked, wanted, last_error })
    }

    fn event() -> impl Strategy<Value = SessionEvent> {
        let until = moment();
        prop_oneof![
            Just(SessionEvent::Qr { code: "2@".to_owned(), expires_at: NOW }),
            Just(SessionEvent::QrExhausted),
            Just(SessionEvent::Linked { phone_number: "919876543210".parse().unwrap(), lid: None, push_name: None }),
            Just(SessionEvent::Connecting),
            Just(SessionEvent::Connected { connection: ConnectionId(1), push_name: None }),
            Just(SessionEvent::ConnectionLost { reason: "reset".to_owned() }),
            Just(SessionEvent::Ended(EndReason::LoggedOut { reason: "401".to_owned() })),
            Just(SessionEvent::Ended(EndReason::Replaced)),
            until.prop_map(|until| SessionEvent::Ended(EndReason::Restricted { reason: "402".to_owned(), until })),
            Just(SessionEvent::Ended(EndReason::ClientOutdated)),
            Just(SessionEvent::Ended(EndReason::Refused { reason: "500".to_owned() })),
        ]
    }

    proptest! {
        #[test]
        fn connect_leads_to_a_connection_or_says_until_when_it_will_not(state in state()) {
            match state.next(SessionInput::Connect, NOW, &PAUSES) {
                Ok(next) => prop_assert!(next.is_under_way() && next.wanted),
                Err(SessionRefusal::RestrictedUntil(until)) => {
                    prop_assert_eq!(state.status, SessionStatus::Restricted);
                    prop_assert!(until > NOW);
                    prop_assert!(state.next(SessionInput::Connect, until, &PAUSES).unwrap().is_under_way());
                }
            }
        }

        #[test]
        fn disconnect_ends_every_attempt_and_keeps_the_link(state in state()) {
            let next = state.next(SessionInput::Disconnect, NOW, &PAUSES).unwrap();
            prop_assert!(!next.is_under_way() && !next.wanted);
            prop_assert_eq!(next.linked, state.linked);
        }

        #[test]
        fn logout_always_unlinks(state in state()) {
            let next = state.next(SessionInput::LogOut, NOW, &PAUSES).unwrap();
            prop_assert_eq!(next.status, SessionStatus::LoggedOut);
            prop_assert!(!next.linked && !next.wanted);
        }

        #[test]
        fn only_the_engine_says_connected(state in state(), event in event()) {
            let next = state.next(SessionInput::Event(&event), NOW, &PAUSES).unwrap();
            if next.status == SessionStatus::Connected {
                prop_assert_eq!(&event, &SessionEvent::Connected { connection: ConnectionId(1), push_name: None });
                prop_assert!(next.linked && next.last_error.is_none());
            }
        }

        #[test]
        fn the_link_is_given_up_only_where_the_device_was_removed(state in state(), event in event()) {
            let next = state.next(SessionInput::Event(&event), NOW, &PAUSES).unwrap();
            if state.linked && !next.linked {
                let removed = matches!(event, SessionEvent::Ended(EndReason::LoggedOut { .. }));
                prop_assert!(removed);
            }
        }

        #[test]
        fn what_ends_a_connection_says_what_to_do(state in state(), event in event()) {
            let next = state.next(SessionInput::Event(&event), NOW, &PAUSES).unwrap();
            if state.is_under_way() && !next.is_under_way() {
                let error = next.last_error.expect("an ended connection says why");
                prop_assert!(!error.code.is_empty() && error.message.contains(' '));
            }
        }
    }
    proptest! {
        #[test]
        fn whatever_is_wanted_and_linked_comes_back_by_itself_or_says_whose_turn_it_is(state in state(), event in event()) {
            let next = state.next(SessionInput::Event(&event), NOW, &PAUSES).unwrap();
            if let SessionEvent::Ended(reason) = &event {
                let comes_back = matches!(reason, EndReason::Restricted { .. } | EndReason::Refused { .. });
                prop_assert_eq!(next.retry_at().is_some(), comes_back && next.wanted && next.linked);
                let waits_for_a_person = matches!(reason, EndReason::LoggedOut { .. } | EndReason::Replaced);
                prop_assert_eq!(next.wanted, state.wanted && !waits_for_a_person);
            }
        }

        #[test]
        fn what_nobody_wants_is_not_tried_again(state in state()) {
            for input in [SessionInput::Disconnect, SessionInput::LogOut] {
                prop_assert_eq!(state.next(input, NOW, &PAUSES).unwrap().retry_at(), None);
            }
        }

        #[test]
        fn a_second_attempt_on_a_restricted_account_never_comes_before_its_pause(
            until in moment(), attempts in 1_u32..100,
        ) {
            let error = LastError { attempts, ..LastError::new("RESTRICTED", "Wait", NOW) };
            let before = SessionState {
                status: SessionStatus::Connecting, linked: true, wanted: true, last_error: Some(error),
            };
            let event = SessionEvent::Ended(EndReason::Restricted { reason: "402".to_owned(), until });
            let next = before.next(SessionInput::Event(&event), NOW, &PAUSES).unwrap();
            let at = next.retry_at().unwrap();
            prop_assert!(at >= NOW.plus(PAUSES[1]));
            prop_assert!(until.is_none_or(|until| at >= until));
        }
    }

    fn connected() -> SessionState {
        SessionState { status: SessionStatus::Connected, linked: true, wanted: true, last_error: None }
    }

    #[test]
    fn a_lock_is_tried_again_in_growing_steps_across_lost_connections_until_the_session_is_connected() {
        let locked = SessionEvent::Ended(EndReason::Restricted { reason: "403".to_owned(), until: None });
        let lost = SessionEvent::ConnectionLost { reason: "reset".to_owned() };
        let mut state = connected();
        let mut pauses = Vec::new();
        for _ in 0..5 {
            state = state.next(SessionInput::Event(&locked), NOW, &PAUSES).unwrap();
            assert_eq!(state.status, SessionStatus::Restricted);
            pauses.push(state.retry_at().unwrap().since(NOW).as_secs() / 60);
            state = state.next(SessionInput::Retry, NOW, &PAUSES).unwrap();
            assert_eq!((state.status, state.retry_at()), (SessionStatus::Connecting, None));
            state = state.next(SessionInput::Event(&lost), NOW, &PAUSES).unwrap();
        }
        assert_eq!(pauses, [5, 15, 60, 60, 60]);
        let well = SessionEvent::Connected { connection: ConnectionId(1), push_name: None };
        state = state.next(SessionInput::Event(&well), NOW, &PAUSES).unwrap();
        state = state.next(SessionInput::Event(&locked), NOW, &PAUSES).unwrap();
        assert_eq!(state.retry_at().unwrap(), NOW.plus(PAUSES[0]));
    }

    #[test]
    fn a_ban_is_over_when_it_says_so() {
        let until = NOW.plus(Duration::from_hours(7));
        let banned = SessionEvent::Ended(EndReason::Restricted { reason: "402".to_owned(), until: Some(until) });
        let state = connected().next(SessionInput::Event(&banned), NOW, &PAUSES).unwrap();
        assert_eq!(state.retry_at(), Some(until));
        assert_eq!(state.last_error.unwrap().until, Some(until));
    }
}
