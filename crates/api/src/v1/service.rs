//! The server itself: version, document, health.

pub mod document;
pub mod live;
pub mod metrics;
pub mod ready;
pub mod version;

use serde::Serialize;
use utoipa::ToSchema;

/// How the process is.
#[derive(Serialize, ToSchema)]
#[schema(as = Health)]
pub struct HealthAnswer {
    /// `live` or `ready`.
    status: &'static str,
}
