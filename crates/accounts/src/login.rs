//! Logs a person in.

use waypost_domain::Email;
use zeroize::Zeroizing;

use crate::{
    Accounts, AccountsError, SignedIn,
    limits::{Client, network_of},
};

impl Accounts {
    /// Logs in. An unknown e-mail and a wrong password are the same answer after the same work. `client` is the caller's
    /// address, if it is known: who guesses from there is slowed down.
    pub async fn login(
        &self,
        email: Email,
        password: Zeroizing<String>,
        client: Client,
    ) -> Result<SignedIn, AccountsError> {
        const REFUSED: AccountsError = AccountsError::Unauthorized("The e-mail or the password is wrong");
        let accounts = &*self.shared;
        let network = network_of(client);
        let delayed = |wait| {
            log_failure(client, "delayed");
            AccountsError::rate_limited(wait)
        };
        accounts.guesses.admit(network).map_err(delayed)?;
        let (user, hash) = match accounts.store.password_by_email_system(&email).await? {
            Some(stored) => (Some(stored.user), Some(stored.password_hash)),
            None => (None, None),
        };
        let attempt = accounts.guesses.begin(&email, user.as_ref().map(|user| user.id), network).map_err(delayed)?;
        match accounts.passwords.verify(password, hash, network).await {
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
        let (user, tenant) = accounts.store.user(user.tenant_id, user.id).await?.ok_or(REFUSED)?;
        self.sign_in(user, tenant).await
    }
}

/// The line that fail2ban and the like go by (docs/logging.md). It names no e-mail.
fn log_failure(client: Client, reason: &'static str) {
    tracing::warn!(client.address = client.map(tracing::field::display), reason, "a login failed");
}
