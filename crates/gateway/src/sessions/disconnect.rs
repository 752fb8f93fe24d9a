//! Disconnect a session: close the connection, keep the link.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;
use waypost_domain::{SessionId, SessionInput, TenantId};

use super::{Details, SessionView};
use crate::{Gateway, GatewayError, Inner, live::LiveSession};

/// How long a link may take to close; it is dropped then, which closes it without a word.
const CLOSE: Duration = Duration::from_secs(10);

impl Gateway {
    /// Closes the connection and keeps the link. What waits stays queued; the session does not come back by itself.
    pub async fn disconnect_session(&self, tenant: TenantId, session: SessionId) -> Result<SessionView, GatewayError> {
        let session = self.inner.session(tenant, session).await?;
        let (inner, step) = (self.inner.clone(), session.clone());
        self.inner.undisturbed(async move { inner.disconnect(&step).await }).await?;
        self.view(&session).await
    }
}

impl Inner {
    async fn disconnect(self: &Arc<Self>, session: &Arc<LiveSession>) -> Result<(), GatewayError> {
        let _step = session.steps.lock().await;
        if session.is_gone() {
            return Err(GatewayError::NotFound("session"));
        }
        let state = session.live().state.clone();
        let Ok(next) = state.next(SessionInput::Disconnect, self.env.now(), &self.config.retry_pauses) else {
            return Ok(());
        };
        self.move_session(session, next, Details::default()).await?;
        let open = session.change(|live| live.link.take());
        if let Some(open) = open
            && timeout(CLOSE, open.link.disconnect()).await.is_err()
        {
            tracing::warn!(tenant.id = %session.tenant_id, session.id = %session.id, "a link did not close in time");
        }
        Ok(())
    }
}
