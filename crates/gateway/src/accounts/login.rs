//! Logs a person in.

use std::net::IpAddr;

use waypost_domain::Email;
use zeroize::Zeroizing;

use super::SignedIn;
use crate::{Gateway, GatewayError};

impl Gateway {
    /// Logs in. An unknown e-mail and a wrong password are the same answer after the same work. `client` is the
    /// caller's address, where it is known, for the limit on attempts.
    pub async fn login(
        &self,
        email: Email,
        password: Zeroizing<String>,
        client: Option<IpAddr>,
    ) -> Result<SignedIn, GatewayError> {
        const REFUSED: GatewayError = GatewayError::Unauthorized("The e-mail or the password is wrong");
        let inner = &self.inner;
        inner.auth.attempts.count(&email, client)?;
        let (user, hash) = match inner.store.password_by_email_system(&email).await? {
            Some(stored) => (Some(stored.user), Some(stored.password_hash)),
            None => (None, None),
        };
        if !inner.auth.passwords.verify(password, hash).await? {
            tracing::info!(client.address = client.map(tracing::field::display), "a login failed");
            return Err(REFUSED);
        }
        let user = user.ok_or(REFUSED)?;
        let (user, tenant) = inner.store.user(user.tenant_id, user.id).await?.ok_or(REFUSED)?;
        self.sign_in(user, tenant).await
    }
}
