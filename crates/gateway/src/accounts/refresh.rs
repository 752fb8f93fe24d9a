//! Exchanges a refresh token for a new pair.

use waypost_store::Rotation;

use super::{REFRESH_TOKEN_PREFIX, SignedIn, hash_of};
use crate::{
    Gateway, GatewayError,
    api_keys::{draw_secret, has_form_of_secret},
    limits::{Client, network_of},
};

impl Gateway {
    /// A new pair for a refresh token, which is used up by it. Using one twice says that it was stolen: the login ends,
    /// for the thief and for the owner.
    ///
    /// What cannot be a token, and what a reader does not find, never reaches the writer: strangers write nothing.
    /// `client` is the caller's address, if it is known.
    pub async fn refresh(&self, refresh_token: &str, client: Client) -> Result<SignedIn, GatewayError> {
        const INVALID: GatewayError = GatewayError::Unauthorized("The refresh token is not valid. Log in again");
        let inner = &self.inner;
        let invalid = || self.refuse(client, "not a refresh token", "The refresh token is not valid. Log in again");
        if !has_form_of_secret(REFRESH_TOKEN_PREFIX, refresh_token) {
            return Err(invalid());
        }
        inner.auth.admit(network_of(client), &inner.env)?;
        let (now, hash) = (inner.env.now(), hash_of(refresh_token));
        if !inner.store.refresh_token_matters_system(hash, now).await? {
            return Err(invalid());
        }
        let next = draw_secret(&inner.env, REFRESH_TOKEN_PREFIX);
        let expires_at = now.plus(inner.config.refresh_token_life);
        let (tenant_id, user_id, family_id) =
            match inner.store.rotate_refresh_token(hash, hash_of(&next), now, expires_at).await? {
                Rotation::Rotated { tenant_id, user_id, family_id } => (tenant_id, user_id, family_id),
                Rotation::Reused { tenant_id, family_id } => {
                    inner.auth.family_revoked(family_id);
                    tracing::warn!(tenant.id = %tenant_id, "a refresh token was used twice; its login was ended");
                    return Err(GatewayError::Unauthorized(
                        "The refresh token was used before, so the login was ended. Log in again",
                    ));
                }
                Rotation::Invalid => return Err(INVALID),
            };
        let (user, tenant) = inner.store.user(tenant_id, user_id).await?.ok_or(INVALID)?;
        inner.auth.guesses.remember(user_id, network_of(client));
        let (access_token, expires_in) = self.sign_access_token(&user, family_id)?;
        Ok(SignedIn { access_token, refresh_token: next, expires_in, user, tenant })
    }
}
