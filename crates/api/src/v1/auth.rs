//! Accounts: register, login, refresh, logout, me.

pub mod login;
pub mod logout;
pub mod me;
pub mod refresh;
pub mod register;

use serde::Serialize;
use utoipa::ToSchema;
use waypost_accounts::SignedIn;
use waypost_domain::{Role, Tenant, TenantId, User, UserId};

use crate::openapi;

/// A pair of tokens and whose they are.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SignedIn)]
pub struct SignedInAnswer {
    /// For `Authorization: Bearer …`.
    access_token: String,
    /// Good for one call of POST /api/auth/refresh.
    refresh_token: String,
    /// How long the access token works, in seconds.
    #[schema(example = 900)]
    expires_in: u64,
    /// Who logged in.
    user: UserAnswer,
}

impl From<SignedIn> for SignedInAnswer {
    fn from(signed_in: SignedIn) -> Self {
        Self {
            access_token: signed_in.access_token,
            refresh_token: signed_in.refresh_token,
            expires_in: signed_in.expires_in.as_secs(),
            user: UserAnswer::new(signed_in.user, signed_in.tenant),
        }
    }
}

/// A person.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = User)]
pub struct UserAnswer {
    #[schema(value_type = Uuid)]
    id: UserId,
    #[schema(example = "ada@example.com")]
    email: String,
    #[schema(example = "Ada Lovelace")]
    name: String,
    #[schema(schema_with = roles)]
    role: Role,
    #[schema(value_type = Uuid)]
    tenant_id: TenantId,
    #[schema(example = "Analytical Engines Ltd")]
    tenant_name: String,
}

impl UserAnswer {
    fn new(user: User, tenant: Tenant) -> Self {
        Self {
            id: user.id,
            email: user.email.as_str().to_owned(),
            name: user.name,
            role: user.role,
            tenant_id: tenant.id,
            tenant_name: tenant.name,
        }
    }
}

fn roles() -> utoipa::openapi::schema::Object {
    openapi::one_of(Role::ALL.map(Role::as_str))
}
