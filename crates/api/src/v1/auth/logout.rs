//! `POST /api/auth/logout`

use axum::extract::State;

use crate::{
    App,
    auth::Person,
    envelope::{Nothing, Success},
    error::ApiError,
    input::Bare,
    openapi::{Authenticated, BadInput},
};

/// Log out
///
/// Ends this login at once: its access tokens and its refresh tokens.
#[utoipa::path(
    post,
    path = "/auth/logout",
    operation_id = "logout",
    tag = "Accounts",
    responses((status = 200, description = "Logged out", body = Success<Nothing>), BadInput, Authenticated),
)]
pub async fn logout(State(app): State<App>, person: Person, _: Bare) -> Result<Success<Nothing>, ApiError> {
    app.accounts.logout(person.tenant, person.login).await?;
    Ok(Success::with_message(Nothing, "Logged out"))
}
