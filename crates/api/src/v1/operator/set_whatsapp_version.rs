//! `PUT /api/operator/whatsapp-version`

use axum::extract::State;
use utoipa::ToSchema;
use waypost_domain::ClientVersion;

use super::WhatsappVersionAnswer;
use crate::{
    App,
    envelope::Success,
    error::ApiError,
    input::{Body, Fields, FromFields, rules},
    openapi::{BadBody, ByOperator},
};

/// The version that is to be claimed.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetWhatsappVersionRequest {
    /// Three numbers with dots between them; null leaves it to the configuration, or to a new look-up.
    #[schema(required = true, value_type = Option<String>, pattern = r"^[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}$", example = "2.3000.1023456789")]
    version: Option<ClientVersion>,
}

impl FromFields for SetWhatsappVersionRequest {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let version = fields.nullable("version", rules::parsed);
        Some(Self { version: version? })
    }
}

/// Set the version of WhatsApp Web
///
/// For connections made from now on, also after a restart. Sessions that are `client_outdated` come back with it by
/// themselves, spread out. With the operator token.
#[utoipa::path(
    put,
    path = "/operator/whatsapp-version",
    operation_id = "setWhatsappVersion",
    tag = "Operator",
    request_body = SetWhatsappVersionRequest,
    responses((status = 200, description = "Set", body = Success<WhatsappVersionAnswer>), BadBody, ByOperator),
)]
pub async fn set_whatsapp_version(
    State(app): State<App>,
    Body(request): Body<SetWhatsappVersionRequest>,
) -> Result<Success<WhatsappVersionAnswer>, ApiError> {
    app.gateway.set_client_version(request.version).await?;
    Ok(Success::new(request.version.into()))
}
