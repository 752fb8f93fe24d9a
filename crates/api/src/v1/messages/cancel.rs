//! `POST /api/messages/{id}/cancel`

use axum::extract::State;
use waypost_domain::MessageId;

use super::MessageAnswer;
use crate::{
    App,
    auth::{SendMessages, Tenant},
    envelope::Success,
    error::ApiError,
    input::{Bare, Id},
    openapi::{Authenticated, BadInput, Missing, WrongState},
};

/// Cancel a message
///
/// Takes back a message that is `scheduled` or `queued`: it becomes `canceled` and is never sent. One that is already
/// on its way, or at its end, is answered 409 with its status.
#[utoipa::path(
    post,
    path = "/messages/{id}/cancel",
    operation_id = "cancelMessage",
    tag = "Messages",
    params(("id" = Uuid, Path, description = "The message's id")),
    responses(
        (status = 200, description = "Canceled", body = Success<MessageAnswer>),
        BadInput, Missing, WrongState, Authenticated,
    ),
)]
pub async fn cancel(
    State(app): State<App>,
    tenant: Tenant<SendMessages>,
    Id(message): Id<MessageId>,
    _: Bare,
) -> Result<Success<MessageAnswer>, ApiError> {
    let message = app.gateway.cancel_message(tenant.id, message).await?;
    Ok(Success::new(message.into()))
}
