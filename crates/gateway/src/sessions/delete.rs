//! Delete a session.

use waypost_domain::{SessionId, TenantId};

use crate::{Gateway, GatewayError};

impl Gateway {
    /// Logs out as far as the network can be reached, then deletes. What waits fails with `SESSION_GONE` in the same
    /// commit; the session's messages stay readable.
    pub async fn delete_session(&self, tenant: TenantId, session: SessionId) -> Result<(), GatewayError> {
        let inner = &self.inner;
        let session = inner.session(tenant, session).await?;
        let _step = session.steps.lock().await;
        if session.is_gone() {
            return Err(GatewayError::NotFound("session"));
        }
        // From here on no message is accepted; one whose commit is under way looks again (messages/accept.rs).
        session.change(|live| live.gone = true);
        inner.let_go(&session).await;
        inner.unlink(&session).await;
        if let Err(error) = inner.engine(session.engine)?.forget(session.id).await {
            // The credentials go with the row all the same; what is left is what the engine has in memory.
            tracing::warn!(tenant.id = %tenant, session.id = %session.id, %error, "an engine kept a deleted session");
        }
        match inner.store.delete_session(tenant, session.id, inner.env.now()).await {
            Ok(true) => {
                tracing::info!(tenant.id = %tenant, session.id = %session.id, "a session was deleted");
                Ok(())
            }
            Ok(false) => Err(GatewayError::NotFound("session")),
            Err(error) => {
                session.change(|live| live.gone = false);
                inner.take_up(&session);
                Err(error.into())
            }
        }
    }
}
