//! A session's link to the pretend network.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::time::Instant;
use waypost_domain::{ConnectionId, FailureCode, NumberFound, Outgoing, PhoneNumber, SessionId};

use super::{
    line::{Line, LinkNumber},
    mailbox::{Owed, Reply},
    network::Network,
    numbers::{Conduct, account_of, conduct_of, own_number},
    script::{Timed, answer, script, waits_for_repeat},
    timer::{Departure, Flight},
};
use crate::{EventSink, Link, LinkError, PairingCode, SendFailure, SessionSpec};

/// What every pretend phone types in.
const PAIRING_CODE: &str = "SANDBOX1";

/// How long WhatsApp's own pairing codes work (docs/protocol.md, "Pairing": 180 s).
const PAIRING_CODE_LIFE: Duration = Duration::from_mins(3);

/// A session's link to the pretend network.
#[derive(Debug)]
pub(super) struct SandboxLink {
    session: SessionId,
    network: Arc<Network>,
    line: Arc<Line>,
    number: LinkNumber,
}

/// What happens to a message, and what is put into the mailbox for it.
struct Plan {
    steps: Vec<Timed>,
    owed: Option<Owed>,
    is_repeat: bool,
}

impl SandboxLink {
    pub(super) fn open(network: &Arc<Network>, session: SessionSpec, sink: Arc<dyn EventSink>) -> Self {
        let line = network.line(session.id);
        let account = session.linked.then(|| session.phone_number.unwrap_or_else(|| own_number(session.id)));
        let number = line.attach(sink, account);
        Self { session: session.id, network: Arc::clone(network), line, number }
    }

    fn plan(&self, message: &Outgoing) -> Plan {
        let Outgoing { wa_id, to, content } = message;
        let Network { delays, env, .. } = &*self.network;
        let conduct = conduct_of(to);
        let waits_for_repeat = waits_for_repeat(conduct);
        let answer = answer(conduct, content);
        let minds_repeats = waits_for_repeat || answer.is_some();
        let seen_before = minds_repeats && self.network.seen_before(self.session, wa_id, waits_for_repeat);
        let reply = answer.filter(|_| !seen_before).map(|content| Reply { wa_id: env.new_wa_message_id(), content });
        let steps = script(conduct, reply.clone(), seen_before, delays, env.now());
        let receipts = steps.iter().any(|(_, step)| step.is_owed());
        // A repeat of what has an answer is in the mailbox already, answer and all, or nothing is owed for it any more.
        let kept = if seen_before { waits_for_repeat } else { waits_for_repeat || receipts };
        let owed = kept.then(|| Owed {
            session: self.session,
            wa_id: wa_id.clone(),
            to: to.clone(),
            taken_at: env.now(),
            receipts,
            reply: reply.filter(|_| receipts),
        });
        Plan { steps, owed, is_repeat: seen_before }
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
        // Held to the end: what a session is owed is forgotten after it was taken in, never before.
        let (_open, sent_over) = self.line.connection(self.number)?;
        if sent_over != on {
            return Err(SendFailure::Park { reason: "another connection was made".to_owned() });
        }
        if conduct_of(&message.to) == Conduct::NotOnWhatsapp {
            let reason = "the pretend number has no account".to_owned();
            return Err(SendFailure::Reject { code: FailureCode::NotOnWhatsapp, reason });
        }
        let keeper = &self.network.keeper;
        let Some(places) = keeper.timer.places(&self.line.places) else {
            return Err(SendFailure::Park { reason: "too many sandbox messages are under way".to_owned() });
        };
        let Plan { steps, owed, is_repeat } = self.plan(message);
        let flight = Flight {
            line: Arc::clone(&self.line),
            sent_over,
            wa_id: message.wa_id.clone(),
            to: message.to.clone(),
            kept: owed.as_ref().is_some_and(|owed| owed.receipts),
            told: None,
            _places: Some(places),
        };
        let departure = Departure { flight, steps, launched: Instant::now() };
        if owed.is_some() || is_repeat {
            keeper.take(owed, departure);
        } else {
            keeper.timer.launch(departure);
        }
        Ok(())
    }

    async fn lookup(&self, numbers: &[PhoneNumber]) -> Result<Vec<NumberFound>, LinkError> {
        self.line.connection(self.number).map(drop).map_err(|_| {
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
