//! The sink of one link: where an engine's events enter the gateway.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::runtime::Handle;
use waypost_domain::{FailureCode, FirstContactPause, Inbound, MessageEvent, SessionEvent, SessionId, WaMessageId};
use waypost_engine::{EventSink, NotStored};

use super::{evidence, inbound, states};
use crate::{Inner, live::LiveSession, loops::dispatch};

/// Takes the events of one link. It knows its session, so an event costs no lookup.
pub(crate) struct Sink {
    inner: Arc<Inner>,
    session: Arc<LiveSession>,
    /// Which of the session's links this is.
    link: u64,
    /// Engines may post from threads of their own.
    runtime: Handle,
}

impl Sink {
    /// The sink of link `link`. Called on the runtime.
    pub(crate) fn new(inner: Arc<Inner>, session: Arc<LiveSession>, link: u64) -> Self {
        Self { inner, session, link, runtime: Handle::current() }
    }
}

impl Sink {
    /// The network answered for a message. `true` where the dispatcher has something to do now.
    fn settle(&self, wa_id: &WaMessageId, taken: bool) -> bool {
        let (settles, met) = {
            let mut outbox = self.session.outbox();
            let met = outbox.stranger(wa_id).filter(|_| taken);
            let settles = outbox.settle(wa_id);
            if let Some(chat) = &met {
                outbox.met(chat);
            }
            (settles, met)
        };
        let Some(chat) = met else { return settles };
        let mut pace = self.session.pace();
        pace.met(chat);
        pace.welcomed(self.inner.env.now());
        true
    }

    /// A refused first contact pauses them all, in a paced session.
    fn refused(&self, code: FailureCode) {
        if !FirstContactPause::follows(code) {
            return;
        }
        let Some(pause) = self.session.pace().refused(code, &self.inner.env) else { return };
        tracing::warn!(
            tenant.id = %self.session.tenant_id, session.id = %self.session.id, code = code.as_str(),
            until = %pause.until, "WhatsApp refused a message to somebody new: first contacts pause",
        );
        // The dispatcher saves the pause, even where the message was not in its hands any more.
        let _runtime = self.runtime.enter();
        dispatch::wake(&self.inner, &self.session);
    }
}

#[async_trait]
impl EventSink for Sink {
    fn message_event(&self, session: SessionId, event: MessageEvent) {
        debug_assert_eq!(session, self.session.id, "a link posts for its own session");
        let evidence = evidence::evidence(self.session.id, &event, &self.inner.env);
        // An answer that is lost for want of room may not stop the clock that asks again.
        let receipt = matches!(event, MessageEvent::Receipt { .. });
        if !self.inner.recorder.post(&self.session, evidence, receipt) {
            return;
        }
        let settles = match &event {
            MessageEvent::Acked { wa_id, .. } => self.settle(wa_id, true),
            MessageEvent::Refused { wa_id, code, .. } => {
                self.refused(*code);
                self.settle(wa_id, false)
            }
            MessageEvent::Receipt { wa_ids, .. } => wa_ids.iter().filter(|wa_id| self.settle(wa_id, true)).count() > 0,
        };
        if settles {
            self.session.dispatch.nudge();
        }
    }

    fn session_event(&self, session: SessionId, event: SessionEvent) {
        debug_assert_eq!(session, self.session.id, "a link posts for its own session");
        self.session.push_state_event(self.link, event);
        states::wake(&self.inner, &self.session, &self.runtime);
    }

    fn mark(&self, session: SessionId) -> u64 {
        debug_assert_eq!(session, self.session.id, "a link asks for its own session");
        self.session.receipts.mark()
    }

    async fn recorded(&self, session: SessionId, mark: u64) {
        debug_assert_eq!(session, self.session.id, "a link asks for its own session");
        self.session.receipts.reached(mark).await;
    }

    async fn inbound(&self, session: SessionId, messages: Vec<Inbound>) -> Result<(), NotStored> {
        debug_assert_eq!(session, self.session.id, "a link posts for its own session");
        inbound::store(&self.inner, &self.session, messages).await
    }

    async fn has_inbound(&self, session: SessionId, wa_id: &WaMessageId) -> Result<bool, NotStored> {
        self.inner.store.has_inbound_system(session, wa_id).await.map_err(|error| {
            tracing::error!(
                tenant.id = %self.session.tenant_id, session.id = %session, %error,
                "whether a message is stored is not known; the network is to bring it again",
            );
            NotStored
        })
    }
}
