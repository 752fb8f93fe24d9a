//! Check which numbers have an account.

use waypost_domain::{PhoneNumber, SessionId, TenantId};

use super::CheckedNumber;
use crate::{Gateway, GatewayError};

impl Gateway {
    /// Says of each number whether it has an account, in the order of the numbers. What is not remembered is asked
    /// through the session, which must be connected then.
    pub async fn check_numbers(
        &self,
        tenant: TenantId,
        session: SessionId,
        numbers: Vec<PhoneNumber>,
    ) -> Result<Vec<CheckedNumber>, GatewayError> {
        let session = self.inner.session(tenant, session).await?;
        let known = self.inner.resolve_numbers(&session, &numbers).await?;
        let missing = || GatewayError::Internal("a look-up left out a number".to_owned());
        let answer = |number: PhoneNumber| {
            let mut checked = known.get(&number).cloned().ok_or_else(missing)?;
            // What was found may have been another form of it.
            checked.check.found.number = number;
            Ok(checked)
        };
        numbers.into_iter().map(answer).collect()
    }
}
