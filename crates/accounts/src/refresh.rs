//! Exchanges a refresh token for a new pair.

use waypost_store::Rotation;

use crate::{
    Accounts, AccountsError, SignedIn,
    limits::{Client, network_of},
    secret::{draw_secret, has_form_of_secret},
    sign_in::{REFRESH_TOKEN_PREFIX, hash_of},
};

impl Accounts {
    /// A new pair for a refresh token, which is used up by it. Using one twice says that it was stolen: the login ends,
    /// for the thief and for the owner.
    ///
    /// What cannot be a token, and what a reader does not find, never reaches the writer: strangers write nothing.
    /// `client` is the caller's address, if it is known.
    pub async fn refresh(&self, refresh_token: &str, client: Client) -> Result<SignedIn, AccountsError> {
        const INVALID: AccountsError = AccountsError::Unauthorized("The refresh token is not valid. Log in again");
        let accounts = &*self.shared;
        let invalid = || {
            let sentence = "The refresh token is not valid. Log in again";
            accounts.credentials.refuse(client, "not a refresh token", sentence)
        };
        if !has_form_of_secret(REFRESH_TOKEN_PREFIX, refresh_token) {
            return Err(invalid());
        }
        accounts.credentials.admit(client)?;
        let (now, hash) = (accounts.env.now(), hash_of(refresh_token));
        if !accounts.store.refresh_token_matters_system(hash, now).await? {
            return Err(invalid());
        }
        let next = draw_secret(&accounts.env, REFRESH_TOKEN_PREFIX);
        let expires_at = now.plus(accounts.config.refresh_token_life);
        let (tenant_id, user_id, family_id) =
            match accounts.store.rotate_refresh_token(hash, hash_of(&next), now, expires_at).await? {
                Rotation::Rotated { tenant_id, user_id, family_id } => (tenant_id, user_id, family_id),
                Rotation::Reused { tenant_id, family_id } => {
                    accounts.credentials.login_ended(family_id);
                    tracing::warn!(tenant.id = %tenant_id, "a refresh token was used twice; its login was ended");
                    return Err(AccountsError::Unauthorized(
                        "The refresh token was used before, so the login was ended. Log in again",
                    ));
                }
                Rotation::Invalid => return Err(INVALID),
            };
        let (user, tenant) = accounts.store.user(tenant_id, user_id).await?.ok_or(INVALID)?;
        accounts.guesses.remember(user_id, network_of(client));
        let (access_token, expires_in) = self.sign_access_token(&user, family_id)?;
        Ok(SignedIn { access_token, refresh_token: next, expires_in, user, tenant })
    }
}
