//! Who one is.

use waypost_domain::{Tenant, TenantId, User, UserId};

use crate::{Accounts, AccountsError};

impl Accounts {
    /// A person and their tenant. Unauthorized if the person is gone.
    pub async fn me(&self, tenant: TenantId, user: UserId) -> Result<(User, Tenant), AccountsError> {
        let found = self.shared.store.user(tenant, user).await?;
        found.ok_or(AccountsError::Unauthorized("The user is gone"))
    }
}
