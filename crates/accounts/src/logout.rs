//! Ends a login.

use waypost_domain::{RefreshFamilyId, TenantId};

use crate::{Accounts, AccountsError};

impl Accounts {
    /// Ends a login: its refresh tokens are worth nothing any more, and once this has returned, nor are its access
    /// tokens. It goes on if the caller leaves, so that memory hears of what was committed.
    pub async fn logout(&self, tenant: TenantId, family: RefreshFamilyId) -> Result<(), AccountsError> {
        let accounts = self.shared.clone();
        let step = async move {
            accounts.store.revoke_refresh_family(tenant, family, accounts.env.now()).await?;
            accounts.credentials.login_ended(family);
            Ok(())
        };
        self.undisturbed(step).await
    }
}
