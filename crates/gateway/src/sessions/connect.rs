//! Connect a session: start linking, or log in again.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;
use waypost_domain::{SessionId, SessionInput, SessionRefusal, SessionStatus, TenantId};
use waypost_engine::{Link, LinkError, SessionSpec};

use super::{Details, SessionView};
use crate::{
    Gateway, GatewayError, Inner,
    live::{LiveSession, OpenLink},
    loops::record::Sink,
};

/// How long an answer waits for the first QR code (contract: 10 s at most).
pub(super) const QR_WAIT: Duration = Duration::from_secs(10);

impl Gateway {
    /// Starts linking or reconnecting. Answers with the state at once where the session is linked, else as soon as a QR
    /// code is there, after 10 s at most. Connecting a session that is connected or on its way changes nothing;
    /// `Conflict` while the account is restricted.
    pub async fn connect_session(&self, tenant: TenantId, session: SessionId) -> Result<SessionView, GatewayError> {
        let session = self.inner.session(tenant, session).await?;
        self.inner.connect_undisturbed(&session).await?;
        if !session.live().state.linked {
            // Without a QR code in time the answer says `connecting`, which is true.
            let _ = timeout(QR_WAIT, session.qr_or_end()).await;
        }
        self.view(&session).await
    }
}

impl LiveSession {
    /// Waits until a QR code is there, or none will come.
    pub(super) async fn qr_or_end(&self) {
        self.until(|live| live.qr.is_some() || live.gone || live.state.status != SessionStatus::Connecting).await;
    }
}

impl Inner {
    /// [`Inner::connect`] for a caller that may go away.
    pub(super) async fn connect_undisturbed(self: &Arc<Self>, session: &Arc<LiveSession>) -> Result<(), GatewayError> {
        let (inner, session) = (self.clone(), session.clone());
        self.undisturbed(async move { inner.connect(&session, SessionInput::Connect).await }).await
    }

    /// Takes a session on its way to `connected`, because a caller asks ([`SessionInput::Connect`]) or of our own accord
    /// ([`SessionInput::Retry`]).
    pub(crate) async fn connect(
        self: &Arc<Self>,
        session: &Arc<LiveSession>,
        input: SessionInput<'static>,
    ) -> Result<(), GatewayError> {
        let _step = session.steps.lock().await;
        if self.stopping.is_cancelled() {
            return Err(GatewayError::WhatsappUnavailable("The server is stopping. Try again in a moment".to_owned()));
        }
        if session.is_gone() {
            return Err(GatewayError::NotFound("session"));
        }
        let (before, has_link) = {
            let live = session.live();
            (live.state.clone(), live.link.is_some())
        };
        if matches!(input, SessionInput::Retry) && !session.is_due(self.env.now()) {
            return Ok(());
        }
        let next = before.next(input, self.env.now(), &self.config.retry_pauses).map_err(
            |SessionRefusal::RestrictedUntil(until)| {
                GatewayError::Conflict(format!("WhatsApp restricts this account until {until}. Connect after that"))
            },
        )?;
        if before.is_under_way() && has_link {
            return self.move_session(session, next, Details::default()).await;
        }
        self.move_session(session, next, Details::default()).await?;
        if let Err(error) = self.open_and_connect(session).await {
            session.change(|live| live.link = None);
            let state = session.live().state.clone();
            if let Ok(failed) = state.next(SessionInput::NotStarted, self.env.now(), &self.config.retry_pauses) {
                self.move_session(session, failed, Details::default()).await?;
            }
            return Err(error.into());
        }
        Ok(())
    }

    async fn open_and_connect(self: &Arc<Self>, session: &Arc<LiveSession>) -> Result<(), LinkError> {
        self.open_link(session).await?.connect().await
    }

    /// The session's link, opened where none is. Whoever calls it holds the session's steps.
    pub(crate) async fn open_link(self: &Arc<Self>, session: &Arc<LiveSession>) -> Result<Arc<dyn Link>, LinkError> {
        let (spec, number) = {
            let live = session.live();
            if let Some(open) = &live.link {
                return Ok(open.link.clone());
            }
            let spec = SessionSpec {
                id: session.id,
                tenant_id: session.tenant_id,
                name: live.name.clone(),
                phone_number: live.phone_number.clone(),
                linked: live.state.linked,
            };
            (spec, live.links_opened + 1)
        };
        let engine = self.engine(session.engine).map_err(|error| LinkError::Unavailable(error.to_string()))?;
        let sink = Sink::new(self.clone(), session.clone(), number);
        let link = engine.open(spec, Arc::new(sink)).await?;
        session.change(|live| {
            live.links_opened = number;
            live.link = Some(OpenLink { link: link.clone(), number });
        });
        Ok(link)
    }
}
