//! Delete a session.

use std::sync::Arc;

use waypost_domain::{SessionId, TenantId};

use crate::{Gateway, GatewayError, Inner, live::LiveSession};

impl Gateway {
    /// Logs out as far as the network can be reached, then deletes. What waits fails with `SESSION_GONE` in the same
    /// commit; the session's messages stay readable.
    #[tracing::instrument(level = "debug", skip_all, fields(tenant.id = %tenant, session.id = %session))]
    pub async fn delete_session(&self, tenant: TenantId, session: SessionId) -> Result<(), GatewayError> {
        let session = self.inner.session(tenant, session).await?;
        let inner = self.inner.clone();
        self.inner.undisturbed(async move { inner.delete(&session).await }).await
    }
}

impl Inner {
    async fn delete(self: &Arc<Self>, session: &Arc<LiveSession>) -> Result<(), GatewayError> {
        let _step = session.steps.lock().await;
        if session.is_gone() {
            return Err(GatewayError::NotFound("session"));
        }
        let tenant = session.tenant_id;
        // From here on no message is accepted; one whose commit is under way looks again (messages/accept.rs).
        session.change(|live| live.gone = true);
        self.let_go(session).await;
        self.unlink(session).await;
        // A session of an engine that this server runs without is deleted all the same.
        if let Ok(engine) = self.engine(session.engine)
            && let Err(error) = engine.forget(session.id).await
        {
            // The credentials go with the row all the same; what is left is what the engine has in memory.
            tracing::warn!(tenant.id = %tenant, session.id = %session.id, %error, "an engine kept a deleted session");
        }
        match self.store.delete_session(tenant, session.id, self.env.now()).await {
            Ok(true) => {
                tracing::info!(tenant.id = %tenant, session.id = %session.id, "a session was deleted");
                Ok(())
            }
            Ok(false) => Err(GatewayError::NotFound("session")),
            Err(error) => {
                session.change(|live| live.gone = false);
                self.take_up(session);
                Err(error.into())
            }
        }
    }
}
