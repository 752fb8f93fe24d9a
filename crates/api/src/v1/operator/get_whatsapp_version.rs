//! `GET /api/operator/whatsapp-version`

use axum::extract::State;

use super::WhatsappVersionAnswer;
use crate::{
    App,
    envelope::Success,
    error::ApiError,
    input::Bare,
    openapi::{BadInput, ByOperator},
};

/// Get the version of WhatsApp Web
///
/// That sessions claim to be, as the operator has set it. With the operator token.
#[utoipa::path(
    get,
    path = "/operator/whatsapp-version",
    operation_id = "getWhatsappVersion",
    tag = "Operator",
    responses((status = 200, description = "The version", body = Success<WhatsappVersionAnswer>), BadInput, ByOperator),
)]
pub async fn get_whatsapp_version(State(app): State<App>, _: Bare) -> Result<Success<WhatsappVersionAnswer>, ApiError> {
    Ok(Success::new(app.gateway.client_version().await?.into()))
}
