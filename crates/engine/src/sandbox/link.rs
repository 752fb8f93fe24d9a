//! A session's link to the pretend network.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use waypost_domain::{FailureCode, PhoneNumber, SessionId};

use super::{
    line::{Line, LinkNumber},
    network::Network,
    numbers::{Conduct, account_of, conduct_of, own_number},
    script::{minds_repeats, script},
    timer::Flight,
};
use crate::{ConnectionId, EventSink, Link, LinkError, NumberFound, Outgoing, PairingCode, SendFailure, SessionSpec};

/// What every pretend phone types in.
const PAIRING_CODE: &str = "SANDBOX1";

/// How long WhatsApp's own pairing codes work (notes/wire.md 1.3: 180 s).
const PAIRING_CODE_LIFE: Duration = Duration::from_mins(3);

/// A session's link to the pretend network.
#[derive(Debug)]
pub(super) struct SandboxLink {
    session: SessionId,
    network: Arc<Network>,
    line: Arc<Line>,
    number: LinkNumber,
}

impl SandboxLink {
    pub(super) fn open(network: &Arc<Network>, session: SessionSpec, sink: Arc<dyn EventSink>) -> Self {
        let line = network.line(session.id);
        let account = session.linked.then(|| session.phone_number.unwrap_or_else(|| own_number(session.id)));
        let number = line.attach(sink, account);
        Self { session: session.id, network: Arc::clone(network), line, number }
    }
}

#[async_trait]
impl Link for SandboxLink {
    async fn connect(&self) -> Result<(), LinkError> {
        self.line.connect(self.number, None);
        Ok(())
    }

    async fn pairing_code(&self, number: &PhoneNumber) -> Result<PairingCode, LinkError> {
        if self.line.is_linked() {
            return Err(LinkError::Conflict("The session is linked already; log out first".to_owned()));
        }
        self.line.connect(self.number, Some(number));
        let expires_at = self.network.env.now().plus(PAIRING_CODE_LIFE);
        Ok(PairingCode { code: PAIRING_CODE.to_owned(), expires_at })
    }

    async fn send(&self, on: ConnectionId, message: &Outgoing) -> Result<(), SendFailure> {
        let sent_over = self.line.connection(self.number)?;
        if sent_over != on {
            return Err(SendFailure::Park { reason: "another connection was made".to_owned() });
        }
        let Outgoing { wa_id, to, content } = message;
        let conduct = conduct_of(to);
        if conduct == Conduct::NotOnWhatsapp {
            let reason = "the pretend number has no account".to_owned();
            return Err(SendFailure::Reject { code: FailureCode::NotOnWhatsapp, reason });
        }
        let Network { timer, delays, env, .. } = &*self.network;
        let Some(places) = timer.places(&self.line.places) else {
            return Err(SendFailure::Park { reason: "too many sandbox messages are under way".to_owned() });
        };
        let seen_before = minds_repeats(conduct, content) && self.network.seen_before(self.session, wa_id);
        let flight = Flight {
            line: Arc::clone(&self.line),
            sent_over,
            wa_id: wa_id.clone(),
            to: to.clone(),
            places: Some(places),
        };
        timer.launch(flight, script(conduct, content, seen_before, delays, env.now()));
        Ok(())
    }

    async fn lookup(&self, numbers: &[PhoneNumber]) -> Result<Vec<NumberFound>, LinkError> {
        self.line.connection(self.number).map_err(|_| {
            LinkError::Unavailable("The sandbox session is not connected. Connect it, then try again".to_owned())
        })?;
        let found = |number: &PhoneNumber| Ok(NumberFound { number: number.clone(), account: account_of(number)? });
        numbers.iter().map(found).collect()
    }

    async fn disconnect(&self) {
        self.line.close(self.number);
    }

    async fn logout(&self) {
        self.line.log_out(self.number);
    }
}

impl Drop for SandboxLink {
    fn drop(&mut self) {
        self.line.detach(self.number);
    }
}
