//! Create a session.

use waypost_domain::{EngineKind, TenantId};
use waypost_store::NewSession;

use super::SessionView;
use crate::{Gateway, GatewayError};

impl Gateway {
    /// Creates a session, disconnected. `LimitExceeded` where the tenant has as many as it may.
    #[tracing::instrument(level = "debug", skip_all, fields(tenant.id = %tenant))]
    pub async fn create_session(
        &self,
        tenant: TenantId,
        name: String,
        engine: EngineKind,
    ) -> Result<SessionView, GatewayError> {
        let inner = &self.inner;
        inner.engine(engine)?;
        let _counted = match inner.config.max_sessions_per_tenant {
            None => None,
            Some(limit) => {
                // Held until the row is there, so that two at once cannot both be the last.
                let counted = inner.creation.lock().await;
                let used = inner.store.count_sessions(tenant).await?;
                if used >= u64::from(limit) {
                    return Err(GatewayError::LimitExceeded(format!(
                        "The limit of sessions is reached: {used} of {limit} are in use. Delete one to create another"
                    )));
                }
                Some(counted)
            }
        };
        let session = inner
            .store
            .create_session(NewSession {
                id: inner.env.new_id(),
                tenant_id: tenant,
                name,
                engine,
                created_at: inner.env.now(),
            })
            .await?;
        tracing::info!(tenant.id = %tenant, session.id = %session.id, engine = engine.as_str(), "a session was created");
        inner.sessions.remember(session.clone());
        Ok(self.view_of(session))
    }
}
