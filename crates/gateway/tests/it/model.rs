//! A model of a session's states, and random walks that hold the gateway to it: engine events, restarts and callers in any
//! order. In every state that is reached each of connect, disconnect, logout and delete does what the model says, or is
//! refused with the time from which it will work; and what memory says is what the row says.

use std::time::Duration;

use proptest::{prelude::*, test_runner::TestCaseError};
use waypost_domain::{EndReason, SessionEvent, SessionId, SessionStatus};
use waypost_gateway::{GatewayConfig, GatewayError};

use crate::world::World;

/// A step of a walk.
#[derive(Debug, Clone, Copy)]
enum Step {
    Connect,
    Disconnect,
    Logout,
    Delete,
    Restart,
    Qr,
    QrExhausted,
    Scan,
    Connecting,
    Connected,
    Lost,
    LoggedOut,
    Replaced,
    Banned,
    Locked,
    Outdated,
    Refused,
}

fn step() -> impl Strategy<Value = Step> {
    use Step as S;
    prop_oneof![
        4 => Just(S::Connect),
        1 => prop::sample::select(vec![S::Disconnect, S::Logout, S::Delete, S::Restart]),
        3 => prop::sample::select(vec![S::Qr, S::Scan, S::Scan, S::Connecting, S::Connected, S::Lost, S::QrExhausted]),
        2 => prop::sample::select(vec![S::LoggedOut, S::Replaced, S::Banned, S::Locked, S::Outdated, S::Refused]),
    ]
}

/// What a session must be.
#[expect(clippy::struct_excessive_bools, reason = "facts that come and go independently of each other")]
#[derive(Debug, Clone, Copy)]
struct Model {
    status: SessionStatus,
    linked: bool,
    wanted: bool,
    /// Whether a line to the network is open: events of a closed one count no more.
    open: bool,
    /// Whether the next attempt has a time, so that a restart does not bring it forward.
    planned: bool,
    /// Whether the restriction has a known end.
    banned: bool,
}

impl Model {
    const NEW: Self = Self {
        status: SessionStatus::Disconnected,
        linked: false,
        wanted: false,
        open: false,
        planned: false,
        banned: false,
    };

    const fn is_under_way(self) -> bool {
        matches!(self.status, SessionStatus::Connecting | SessionStatus::Qr | SessionStatus::Connected)
    }

    /// A connect call that is not refused; the network answers at once.
    fn connect(&mut self) {
        if !self.is_under_way() {
            let status = if self.linked { SessionStatus::Connected } else { SessionStatus::Qr };
            *self = Self { status, open: true, planned: false, ..*self };
        }
        self.wanted = true;
    }

    fn end(&mut self, status: SessionStatus, comes_back: bool) {
        (self.status, self.open) = (status, false);
        self.planned = comes_back && self.wanted && self.linked;
    }

    /// What the network says, where somebody listens.
    fn hear(&mut self, step: Step) {
        match step {
            Step::Qr => self.status = SessionStatus::Qr,
            Step::Scan => (self.status, self.linked) = (SessionStatus::Connected, true),
            Step::Connecting => self.status = SessionStatus::Connecting,
            Step::Connected => self.status = SessionStatus::Connected,
            Step::Lost if self.status == SessionStatus::Connected => self.status = SessionStatus::Disconnected,
            Step::Lost if self.status == SessionStatus::Qr => self.status = SessionStatus::Connecting,
            Step::QrExhausted | Step::LoggedOut | Step::Replaced => {
                self.wanted = false;
                self.linked &= !matches!(step, Step::LoggedOut);
                self.end(
                    match step {
                        Step::QrExhausted => SessionStatus::Disconnected,
                        Step::LoggedOut => SessionStatus::LoggedOut,
                        _ => SessionStatus::Replaced,
                    },
                    false,
                );
            }
            Step::Banned | Step::Locked => {
                self.end(SessionStatus::Restricted, true);
                self.banned = matches!(step, Step::Banned);
            }
            Step::Outdated => self.end(SessionStatus::ClientOutdated, false),
            Step::Refused => self.end(SessionStatus::Disconnected, true),
            _ => {}
        }
    }

    /// Whether the network could say so now.
    fn is_possible(self, step: Step) -> bool {
        match step {
            Step::Connect | Step::Disconnect | Step::Logout | Step::Delete | Step::Restart => true,
            Step::Qr | Step::QrExhausted => self.open && !self.linked,
            Step::Scan => self.open && !self.linked && self.status == SessionStatus::Qr,
            Step::Connected => self.open && self.linked,
            _ => self.open,
        }
    }
}

struct Walk {
    world: World,
    session: SessionId,
    model: Model,
}

impl Walk {
    async fn begin() -> Self {
        let config = GatewayConfig { session_logins_per_second: 1000, ..GatewayConfig::default() };
        let world = World::with(config).await;
        let session = world.session().await;
        Self { world, session, model: Model::NEW }
    }

    async fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Connect => self.connect().await?,
            Step::Disconnect => {
                let done = self.world.gateway.disconnect_session(self.world.tenant, self.session).await;
                prop_assert!(done.is_ok(), "{:?}", done);
                if self.model.is_under_way() {
                    self.model.status = SessionStatus::Disconnected;
                }
                self.model = Model { wanted: false, open: false, planned: false, ..self.model };
            }
            Step::Logout => {
                let done = self.world.gateway.logout_session(self.world.tenant, self.session).await;
                prop_assert!(done.is_ok(), "{:?}", done);
                self.model = Model { status: SessionStatus::LoggedOut, ..Model::NEW };
            }
            Step::Delete => {
                let (gateway, tenant) = (&self.world.gateway, self.world.tenant);
                let done = gateway.delete_session(tenant, self.session).await;
                prop_assert!(done.is_ok(), "{:?}", done);
                let gone = gateway.get_session(tenant, self.session).await;
                prop_assert!(matches!(gone, Err(GatewayError::NotFound("session"))), "{:?}", gone);
                (self.session, self.model) = (self.world.session().await, Model::NEW);
            }
            Step::Restart => {
                self.world.stop().await;
                self.world.reopen().await;
                self.world.start().await;
                if self.model.is_under_way() {
                    self.model.status = SessionStatus::Disconnected;
                }
                self.model.open = false;
                if self.model.wanted && self.model.linked && !self.model.planned {
                    self.model.connect();
                }
            }
            event => {
                self.post(event);
                self.model.hear(event);
            }
        }
        self.settle().await;
        Ok(())
    }

    async fn connect(&mut self) -> Result<(), TestCaseError> {
        let (gateway, tenant) = (&self.world.gateway, self.world.tenant);
        // Where no QR code comes the answer takes its 10 s; the step itself is done long before.
        let patience = Duration::from_millis(500);
        let answer = tokio::time::timeout(patience, gateway.connect_session(tenant, self.session)).await;
        if self.model.status == SessionStatus::Restricted && self.model.banned {
            prop_assert!(
                matches!(&answer, Ok(Err(GatewayError::Conflict(why))) if why.contains("until")),
                "{:?}",
                answer
            );
        } else {
            prop_assert!(answer.as_ref().is_err() || answer.as_ref().is_ok_and(Result::is_ok), "{:?}", answer);
            self.model.connect();
        }
        Ok(())
    }

    fn post(&self, step: Step) {
        let now = self.world.env.now();
        let restricted = |until| EndReason::Restricted { reason: "402".to_owned(), until };
        let event = match step {
            Step::Qr => SessionEvent::Qr { code: "2@another".to_owned(), expires_at: now.plus(Duration::from_mins(1)) },
            Step::QrExhausted => SessionEvent::QrExhausted,
            Step::Scan => return self.world.network.scan(self.session, "14155550100"),
            Step::Connecting => SessionEvent::Connecting,
            Step::Connected => return self.world.network.connected(self.session),
            Step::Lost => return self.world.network.lose(self.session),
            Step::LoggedOut => SessionEvent::Ended(EndReason::LoggedOut { reason: "401".to_owned() }),
            Step::Replaced => SessionEvent::Ended(EndReason::Replaced),
            Step::Banned => SessionEvent::Ended(restricted(Some(now.plus(Duration::from_hours(1))))),
            Step::Locked => SessionEvent::Ended(restricted(None)),
            Step::Outdated => SessionEvent::Ended(EndReason::ClientOutdated),
            Step::Refused => SessionEvent::Ended(EndReason::Refused { reason: "409".to_owned() }),
            other => unreachable!("{other:?} is nothing that the network says"),
        };
        self.world.network.session_event(self.session, event);
    }

    /// Waits until row and memory are what the model says.
    async fn settle(&self) {
        let row = self.world.until_session(self.session, self.model.status).await;
        // The status comes with the rest of the row in one commit, but may be the same as before.
        let same = |row: &waypost_domain::Session| {
            let planned = row.last_error.as_ref().is_some_and(|error| error.retry_at.is_some());
            (row.linked, row.wanted, planned) == (self.model.linked, self.model.wanted, self.model.planned)
        };
        let mut row = row;
        for _ in 0..2000 {
            if same(&row) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
            row = self.world.gateway.get_session(self.world.tenant, self.session).await.unwrap().session;
        }
        panic!("the row is {row:?} and the model {:?}", self.model);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 40, ..ProptestConfig::default() })]

    #[test]
    fn no_walk_leads_to_a_state_without_a_way_out(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let mut walk = Walk::begin().await;
            for step in steps {
                if walk.model.is_possible(step) {
                    walk.take(step).await?;
                }
            }
            // From wherever the walk has led, the ways that change most.
            for step in [Step::Connect, Step::Disconnect, Step::Connect, Step::Logout, Step::Connect, Step::Delete] {
                walk.take(step).await?;
            }
            walk.world.stop().await;
            Ok::<(), TestCaseError>(())
        })?;
    }
}
