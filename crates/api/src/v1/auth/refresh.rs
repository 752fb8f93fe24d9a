//! `POST /api/auth/refresh`

use axum::extract::State;
use utoipa::ToSchema;

use super::SignedInAnswer;
use crate::{
    App,
    envelope::Success,
    error::ApiError,
    input::{Body, ClientAddress, Fields, FromFields, rules},
    openapi::{BadBody, Open, Refresh},
};

/// A refresh token to exchange.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[serde(deny_unknown_fields)]
pub struct RefreshRequest {
    /// As the last login or refresh gave it.
    #[schema(min_length = 1, max_length = 200)]
    refresh_token: String,
}

impl FromFields for RefreshRequest {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let refresh_token = fields.required("refreshToken", rules::text(1..=200));
        Some(Self { refresh_token: refresh_token? })
    }
}

/// Refresh the tokens
///
/// Gives a new pair; the old refresh token is used up. Using one twice says that it was stolen, and ends the login with
/// all its tokens.
#[utoipa::path(
    post,
    path = "/auth/refresh",
    operation_id = "refresh",
    tag = "Accounts",
    request_body = RefreshRequest,
    responses((status = 200, description = "A new pair", body = Success<SignedInAnswer>), BadBody, Refresh, Open),
)]
pub async fn refresh(
    State(app): State<App>,
    ClientAddress(client): ClientAddress,
    Body(request): Body<RefreshRequest>,
) -> Result<Success<SignedInAnswer>, ApiError> {
    let signed_in = app.accounts.refresh(&request.refresh_token, client).await?;
    Ok(Success::new(signed_in.into()))
}
