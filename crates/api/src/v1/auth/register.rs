//! `POST /api/auth/register`

use axum::extract::State;
use utoipa::ToSchema;
use waypost_accounts::{NewPassword, Registration};
use waypost_domain::Email;

use super::SignedInAnswer;
use crate::{
    App,
    envelope::{Created, Success},
    error::ApiError,
    input::{Body, ClientAddress, Fields, FromFields, rules},
    openapi::{BadBody, Open, Registering},
};

/// Who wants an account.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[serde(deny_unknown_fields)]
pub struct RegisterRequest {
    /// Your name.
    #[schema(min_length = 1, max_length = 100, pattern = r"\S", example = "Ada Lovelace")]
    name: String,
    /// Your e-mail, to log in with.
    #[schema(value_type = String, format = Email, max_length = 254, example = "ada@example.com")]
    email: Email,
    /// 8 to 128 characters.
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 128, example = "correct horse battery")]
    password: NewPassword,
    /// Your business's name.
    #[schema(min_length = 1, max_length = 100, pattern = r"\S", example = "Analytical Engines Ltd")]
    business_name: String,
}

impl FromFields for RegisterRequest {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let name = fields.required("name", rules::name(1..=100));
        let email = fields.required("email", rules::parsed);
        let password = fields.required("password", rules::parsed);
        let business_name = fields.required("businessName", rules::name(1..=100));
        Some(Self { name: name?, email: email?, password: password?, business_name: business_name? })
    }
}

/// Register
///
/// Creates a tenant, its owner, and a trial, and logs the owner in. An installation can be closed to new tenants, or open
/// to the first one alone, which is the default: 403 from then on.
#[utoipa::path(
    post,
    path = "/auth/register",
    operation_id = "register",
    tag = "Accounts",
    request_body = RegisterRequest,
    responses((status = 201, description = "Registered and logged in", body = Success<SignedInAnswer>), BadBody, Registering, Open),
)]
pub async fn register(
    State(app): State<App>,
    ClientAddress(client): ClientAddress,
    Body(request): Body<RegisterRequest>,
) -> Result<Created<SignedInAnswer>, ApiError> {
    let registration = Registration {
        name: request.name,
        email: request.email,
        password: request.password,
        business_name: request.business_name,
    };
    let signed_in = app.accounts.register(registration, client).await?;
    Ok(Success::new(signed_in.into()).created())
}
