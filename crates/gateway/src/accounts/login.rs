//! Logs a person in.

use waypost_domain::Email;
use zeroize::Zeroizing;

use super::SignedIn;
use crate::{
    Gateway, GatewayError,
    limits::{self, Client, network_of},
};

impl Gateway {
    /// Logs in. An unknown e-mail and a wrong password are the same answer after the same work. `client` is the caller's
    /// address, if it is known: who guesses from there is slowed down.
    pub async fn login(
        &self,
        email: Email,
        password: Zeroizing<String>,
        client: Client,
    ) -> Result<SignedIn, GatewayError> {
        const REFUSED: GatewayError = GatewayError::Unauthorized("The e-mail or the password is wrong");
        let inner = &self.inner;
        let network = network_of(client);
        let delayed = |wait| {
            log_failure(client, "delayed");
            limits::refusal(wait)
        };
        inner.auth.guesses.admit(network).map_err(delayed)?;
        let (user, hash) = match inner.store.password_by_email_system(&email).await? {
            Some(stored) => (Some(stored.user), Some(stored.password_hash)),
            None => (None, None),
        };
        let attempt = inner.auth.guesses.begin(&email, user.as_ref().map(|user| user.id), network).map_err(delayed)?;
        match inner.auth.passwords.verify(password, hash, network).await {
            Ok(true) => attempt.passed(),
            Ok(false) => {
                drop(attempt);
                log_failure(client, "unknown or wrong password");
                return Err(REFUSED);
            }
            Err(error) => {
                attempt.void();
                return Err(error);
            }
        }
        let user = user.ok_or(REFUSED)?;
        let (user, tenant) = inner.store.user(user.tenant_id, user.id).await?.ok_or(REFUSED)?;
        self.sign_in(user, tenant).await
    }
}

/// The line that fail2ban and the like go by (docs/logging.md). It names no e-mail.
fn log_failure(client: Client, reason: &'static str) {
    tracing::warn!(client.address = client.map(tracing::field::display), reason, "a login failed");
}
