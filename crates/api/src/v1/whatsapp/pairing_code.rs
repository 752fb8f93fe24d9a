//! `POST /api/v1/whatsapp/{id}/pairing-code`

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use waypost_domain::{PhoneNumber, SessionId, Timestamp};

use crate::{
    App,
    auth::{Tenant, WriteSessions},
    envelope::Success,
    error::ApiError,
    input::{Body, Fields, FromFields, Id, rules},
    openapi::{Authenticated, BadBody, Missing, Unavailable, WrongState},
};

/// The phone that is to be linked.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[serde(deny_unknown_fields)]
pub struct PairingCodeRequest {
    /// Its international number, in digits.
    #[schema(value_type = String, pattern = r"^\+?[1-9]([ -]?[0-9]){6,14}$", example = "919876543210")]
    phone_number: PhoneNumber,
}

impl FromFields for PairingCodeRequest {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let phone_number = fields.required("phoneNumber", rules::parsed);
        Some(Self { phone_number: phone_number? })
    }
}

/// A code to type into the phone.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PairingCode)]
pub struct PairingCodeAnswer {
    #[schema(example = "ABCD1234")]
    code: String,
    /// When it stops working.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// Get a pairing code
///
/// To type into the phone, under Linked devices, instead of scanning a QR code. Connects first where needed.
#[utoipa::path(
    post,
    path = "/whatsapp/{id}/pairing-code",
    operation_id = "getPairingCode",
    tag = "Sessions",
    params(("id" = Uuid, Path, description = "The session's id")),
    request_body = PairingCodeRequest,
    responses(
        (status = 200, description = "The code", body = Success<PairingCodeAnswer>),
        BadBody, Missing, WrongState, Unavailable, Authenticated,
    ),
)]
pub async fn pairing_code(
    State(app): State<App>,
    tenant: Tenant<WriteSessions>,
    Id(session): Id<SessionId>,
    Body(request): Body<PairingCodeRequest>,
) -> Result<Success<PairingCodeAnswer>, ApiError> {
    let code = app.gateway.session_pairing_code(tenant.id, session, request.phone_number).await?;
    Ok(Success::new(PairingCodeAnswer { code: code.code, expires_at: code.expires_at }))
}
