//! `GET /api/messages/{id}`

use axum::extract::State;
use waypost_domain::MessageId;

use super::MessageAnswer;
use crate::{
    App,
    auth::{ReadMessages, Tenant},
    envelope::Success,
    error::ApiError,
    input::{Bare, Id},
    openapi::{Authenticated, BadInput, Missing},
};

/// Get a message
///
/// With its status and every step on the way there.
#[utoipa::path(
    get,
    path = "/messages/{id}",
    operation_id = "getMessage",
    tag = "Messages",
    params(("id" = Uuid, Path, description = "The message's id")),
    responses((status = 200, description = "The message", body = Success<MessageAnswer>), BadInput, Missing, Authenticated),
)]
pub async fn get(
    State(app): State<App>,
    tenant: Tenant<ReadMessages>,
    Id(message): Id<MessageId>,
    _: Bare,
) -> Result<Success<MessageAnswer>, ApiError> {
    let message = app.gateway.get_message(tenant.id, message).await?;
    Ok(Success::new(message.into()))
}
