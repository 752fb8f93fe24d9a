//! Ends a login.

use waypost_domain::{RefreshFamilyId, TenantId};

use crate::{Gateway, GatewayError};

impl Gateway {
    /// Ends a login: its refresh tokens are worth nothing any more, and once this has returned, nor are its access
    /// tokens. It goes on if the caller leaves, so that memory hears of what was committed.
    pub async fn logout(&self, tenant: TenantId, family: RefreshFamilyId) -> Result<(), GatewayError> {
        let gateway = self.clone();
        let step = async move {
            let inner = &gateway.inner;
            inner.store.revoke_refresh_family(tenant, family, inner.env.now()).await?;
            inner.auth.family_revoked(family);
            Ok(())
        };
        self.inner.undisturbed(step).await
    }
}
