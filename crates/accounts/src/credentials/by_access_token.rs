//! The caller behind an access token.

use super::{Caller, Credential, access_token::NoAccess};
use crate::{Accounts, AccountsError, limits::Client};

impl Accounts {
    /// The caller behind an access token (`Authorization: Bearer …`). `client` is the caller's address, if it is known.
    pub async fn caller_by_access_token(&self, token: &str, client: Client) -> Result<Caller, AccountsError> {
        let accounts = &*self.shared;
        let credentials = &accounts.credentials;
        let claims = credentials.tokens.read(token, accounts.env.now()).map_err(|why| match why {
            NoAccess::Invalid => {
                credentials.refuse(client, "not an access token", "The access token is not valid. Log in again")
            }
            // Every page that was left open comes with one: no sign of a guesser.
            NoAccess::Expired => AccountsError::Unauthorized("The access token has expired. Refresh it"),
        })?;
        let load = || async {
            let alive = accounts.store.refresh_family_is_alive(claims.tid, claims.sid).await;
            alive.map(|alive| alive.then_some(()))
        };
        let alive = credentials.logins.get(claims.sid, || credentials.admit(client), load).await?;
        alive.ok_or_else(|| {
            credentials.refuse(client, "access token of an ended login", "The login has ended. Log in again")
        })?;
        Ok(Caller {
            tenant_id: claims.tid,
            credential: Credential::User { user_id: claims.sub, role: claims.role, family_id: claims.sid },
        })
    }
}
