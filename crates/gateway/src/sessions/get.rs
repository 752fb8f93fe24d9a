//! Get one session.

use waypost_domain::{SessionId, TenantId};

use super::SessionView;
use crate::{Gateway, GatewayError};

impl Gateway {
    /// One session.
    pub async fn get_session(&self, tenant: TenantId, session: SessionId) -> Result<SessionView, GatewayError> {
        let session = self.inner.session(tenant, session).await?;
        self.view(&session).await
    }
}
