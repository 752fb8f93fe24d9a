//! `POST /api/auth/login`

use axum::extract::State;
use utoipa::ToSchema;
use waypost_accounts::NewPassword;
use waypost_domain::Email;
use zeroize::Zeroizing;

use super::SignedInAnswer;
use crate::{
    App,
    envelope::Success,
    error::ApiError,
    input::{Body, ClientAddress, Fields, FromFields, rules},
    openapi::{BadBody, Login, Open},
};

/// Who wants to come in.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// Your e-mail.
    #[schema(value_type = String, format = Email, max_length = 254, example = "ada@example.com")]
    email: Email,
    /// Your password.
    #[schema(value_type = String, format = Password, min_length = 1, max_length = 128, example = "correct horse battery")]
    password: Zeroizing<String>,
}

impl FromFields for LoginRequest {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let email = fields.required("email", rules::parsed);
        let password = fields.required("password", rules::text(1..=NewPassword::MAX));
        Some(Self { email: email?, password: Zeroizing::new(password?) })
    }
}

/// Log in
///
/// An unknown e-mail and a wrong password are one answer, in the same time. Past five failures for one e-mail from one
/// network each further try waits for longer, up to 15 minutes; other networks do not.
#[utoipa::path(
    post,
    path = "/auth/login",
    operation_id = "login",
    tag = "Accounts",
    request_body = LoginRequest,
    responses((status = 200, description = "Logged in", body = Success<SignedInAnswer>), BadBody, Login, Open),
)]
pub async fn login(
    State(app): State<App>,
    ClientAddress(client): ClientAddress,
    Body(request): Body<LoginRequest>,
) -> Result<Success<SignedInAnswer>, ApiError> {
    let signed_in = app.accounts.login(request.email, request.password, client).await?;
    Ok(Success::new(signed_in.into()))
}
