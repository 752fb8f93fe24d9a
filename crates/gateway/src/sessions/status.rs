//! A session's state alone.

use waypost_domain::{SessionId, SessionStatus, TenantId};

use crate::{Gateway, GatewayError};

impl Gateway {
    /// The state alone, from memory: cheap to poll.
    pub async fn session_status(&self, tenant: TenantId, session: SessionId) -> Result<SessionStatus, GatewayError> {
        Ok(self.inner.session(tenant, session).await?.status())
    }
}
