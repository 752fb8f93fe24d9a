//! `GET /api/auth/me`

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use waypost_domain::{TenantId, Timestamp};

use super::UserAnswer;
use crate::{
    App,
    auth::Person,
    envelope::Success,
    error::ApiError,
    input::Bare,
    openapi::{Authenticated, BadInput},
};

/// A person and their tenant.
#[derive(Serialize, ToSchema)]
#[schema(as = Me)]
pub struct MeAnswer {
    user: UserAnswer,
    tenant: TenantAnswer,
}

/// A tenant.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Tenant)]
pub struct TenantAnswer {
    #[schema(value_type = Uuid)]
    id: TenantId,
    #[schema(example = "Analytical Engines Ltd")]
    name: String,
    /// When the trial ends or ended.
    #[schema(value_type = String, format = DateTime)]
    trial_ends_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// Who am I
#[utoipa::path(
    get,
    path = "/auth/me",
    operation_id = "me",
    tag = "Accounts",
    responses((status = 200, description = "The person who is logged in, and their tenant", body = Success<MeAnswer>), BadInput, Authenticated),
)]
pub async fn me(State(app): State<App>, person: Person, _: Bare) -> Result<Success<MeAnswer>, ApiError> {
    let (user, tenant) = app.accounts.me(person.tenant, person.user).await?;
    let tenant_answer = TenantAnswer {
        id: tenant.id,
        name: tenant.name.clone(),
        trial_ends_at: tenant.trial_ends_at,
        created_at: tenant.created_at,
    };
    Ok(Success::new(MeAnswer { user: UserAnswer::new(user, tenant), tenant: tenant_answer }))
}
