//! Who one is.

use waypost_domain::{Tenant, TenantId, User, UserId};

use crate::{Gateway, GatewayError};

impl Gateway {
    /// A person and their tenant. Unauthorized where the person is gone.
    pub async fn me(&self, tenant: TenantId, user: UserId) -> Result<(User, Tenant), GatewayError> {
        let found = self.inner.store.user(tenant, user).await?;
        found.ok_or(GatewayError::Unauthorized("The user is gone"))
    }
}
