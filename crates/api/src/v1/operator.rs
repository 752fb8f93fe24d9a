//! What an operator of the server may do: see and set what holds for all tenants.

pub mod get_whatsapp_version;
pub mod set_whatsapp_version;

use serde::Serialize;
use utoipa::ToSchema;
use waypost_domain::ClientVersion;

/// The version of WhatsApp Web that sessions claim to be.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WhatsappVersion)]
pub struct WhatsappVersionAnswer {
    /// As the operator has set it; null where the configuration or the look-up decides.
    #[schema(required = true, example = "2.3000.1023456789")]
    version: Option<String>,
}

impl From<Option<ClientVersion>> for WhatsappVersionAnswer {
    fn from(version: Option<ClientVersion>) -> Self {
        Self { version: version.map(|version| version.to_string()) }
    }
}
