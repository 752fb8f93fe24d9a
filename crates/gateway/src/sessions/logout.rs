//! Log a session out: unlink the device.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;
use waypost_domain::{Failure, FailureCode, SessionId, SessionInput, TenantId};

use super::{Details, SessionView};
use crate::{Gateway, GatewayError, Inner, live::LiveSession};

/// How long the network may take to unlink the device. The phone shows the device until it hears of it.
const UNLINK: Duration = Duration::from_secs(10);

impl Gateway {
    /// Unlinks the device and forgets its credentials. What waits fails with `SESSION_GONE`: it was meant for the
    /// account that is gone. What is accepted later waits for the next account.
    pub async fn logout_session(&self, tenant: TenantId, session: SessionId) -> Result<SessionView, GatewayError> {
        let session = self.inner.session(tenant, session).await?;
        let (inner, step) = (self.inner.clone(), session.clone());
        self.inner.undisturbed(async move { inner.log_out(&step).await }).await?;
        self.view(&session).await
    }
}

impl Inner {
    async fn log_out(self: &Arc<Self>, session: &Arc<LiveSession>) -> Result<(), GatewayError> {
        let _step = session.steps.lock().await;
        if session.is_gone() {
            return Err(GatewayError::NotFound("session"));
        }
        let engine = self.engine(session.engine)?;
        self.let_go(session).await;
        self.unlink(session).await;
        if let Err(error) = engine.forget(session.id).await {
            self.take_up(session);
            return Err(error.into());
        }
        let now = self.env.now();
        let state = session.live().state.clone();
        let Ok(next) = state.next(SessionInput::LogOut, now, &self.config.retry_pauses) else { return Ok(()) };
        self.move_session(session, next, Details::unlinked()).await?;
        self.store.fail_waiting_system(session.id, Failure::new(FailureCode::SessionGone), now).await?;
        tracing::info!(tenant.id = %session.tenant_id, session.id = %session.id, "a session was logged out");
        Ok(())
    }

    /// Unlinks the device at the network as far as it can be reached, and closes the link. Whoever calls it holds the
    /// session's steps.
    pub(super) async fn unlink(self: &Arc<Self>, session: &Arc<LiveSession>) {
        let linked = session.live().state.linked;
        let work = async {
            // A linked session without a connection is opened, so that the engine can try to tell the network.
            if linked { self.open_link(session).await.map(Some) } else { Ok(None) }
        };
        let link = match work.await {
            Ok(link) => link.or_else(|| session.live().link.as_ref().map(|open| open.link.clone())),
            Err(error) => {
                tracing::warn!(
                    tenant.id = %session.tenant_id, session.id = %session.id, %error,
                    "the network was not told of a logout",
                );
                None
            }
        };
        session.change(|live| live.link = None);
        if let Some(link) = link
            && timeout(UNLINK, link.logout()).await.is_err()
        {
            tracing::warn!(
                tenant.id = %session.tenant_id, session.id = %session.id,
                "the network did not confirm a logout in time; the phone may show the device for a while",
            );
        }
    }
}
