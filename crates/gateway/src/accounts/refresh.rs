//! Exchanges a refresh token for a new pair.

use waypost_store::Rotation;

use super::{REFRESH_TOKEN_PREFIX, SignedIn, hash_of};
use crate::{Gateway, GatewayError, api_keys::draw_secret};

impl Gateway {
    /// A new pair for a refresh token, which is used up by it. Using one twice says that it was stolen: the login ends,
    /// for the thief and for the owner.
    pub async fn refresh(&self, refresh_token: &str) -> Result<SignedIn, GatewayError> {
        const INVALID: GatewayError = GatewayError::Unauthorized("The refresh token is not valid. Log in again");
        let inner = &self.inner;
        let now = inner.env.now();
        let next = draw_secret(&inner.env, REFRESH_TOKEN_PREFIX);
        let expires_at = now.plus(inner.config.refresh_token_life);
        let rotation =
            inner.store.rotate_refresh_token(hash_of(refresh_token), hash_of(&next), now, expires_at).await?;
        let (tenant_id, user_id, family_id) = match rotation {
            Rotation::Rotated { tenant_id, user_id, family_id } => (tenant_id, user_id, family_id),
            Rotation::Reused => {
                inner.auth.some_family_revoked();
                tracing::warn!("a refresh token was used twice; its login was ended");
                return Err(GatewayError::Unauthorized(
                    "The refresh token was used before, so the login was ended. Log in again",
                ));
            }
            Rotation::Invalid => return Err(INVALID),
        };
        let (user, tenant) = inner.store.user(tenant_id, user_id).await?.ok_or(INVALID)?;
        let (access_token, expires_in) = self.sign_access_token(&user, family_id)?;
        Ok(SignedIn { access_token, refresh_token: next, expires_in, user, tenant })
    }
}
