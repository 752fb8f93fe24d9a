//! Check which numbers have an account.

use waypost_domain::{Jid, PhoneNumber, SessionId, TenantId, Timestamp};

use super::Known;
use crate::{Gateway, GatewayError};

/// What is known of a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedNumber {
    /// The number as it was given.
    pub number: PhoneNumber,
    /// The account's address; none: there is no account, in no form of the number.
    pub jid: Option<Jid>,
    /// Its LID, where WhatsApp said it.
    pub lid: Option<Jid>,
    /// When WhatsApp said so.
    pub checked_at: Timestamp,
    /// Whether that was before now.
    pub cached: bool,
}

impl Gateway {
    /// Says of each number whether it has an account, in the order of the numbers. What is not remembered is asked
    /// through the session, which must be connected then.
    #[tracing::instrument(level = "debug", skip_all, fields(tenant.id = %tenant, session.id = %session))]
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
            let Known { check, cached } = known.get(&number).cloned().ok_or_else(missing)?;
            Ok(CheckedNumber { number, jid: check.jid, lid: check.lid, checked_at: check.checked_at, cached })
        };
        numbers.into_iter().map(answer).collect()
    }
}
