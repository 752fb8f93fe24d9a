//! Who is calling: access tokens and API keys become a [`Caller`].

use waypost_domain::{ApiKeyId, RefreshFamilyId, Role, Scope, TenantId, UserId};

use crate::{Gateway, GatewayError};

/// How a caller proved who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A person's access token.
    User {
        /// The person.
        user_id: UserId,
        /// What they may do.
        role: Role,
        /// The login that the token belongs to.
        family_id: RefreshFamilyId,
    },
    /// A server's API key.
    ApiKey {
        /// The key.
        key_id: ApiKeyId,
        /// What it may do.
        scopes: Vec<Scope>,
    },
}

/// An authenticated caller. The tenant id of everything they touch comes from here and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The tenant.
    pub tenant_id: TenantId,
    /// The proof.
    pub credential: Credential,
}

impl Gateway {
    /// The caller behind an access token (`Authorization: Bearer …`).
    pub async fn caller_by_access_token(&self, _token: &str) -> Result<Caller, GatewayError> {
        unimplemented!()
    }

    /// The caller behind an API key (`X-API-Key: awp_…`).
    pub async fn caller_by_api_key(&self, _key: &str) -> Result<Caller, GatewayError> {
        unimplemented!()
    }
}
