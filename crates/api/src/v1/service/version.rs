//! `GET /api/version`

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    envelope::Success,
    openapi::{Open, SOURCE},
};

/// What runs here.
#[derive(Serialize, ToSchema)]
#[schema(as = Version)]
pub struct VersionAnswer {
    #[schema(example = "waypost")]
    name: &'static str,
    #[schema(example = "0.1.0")]
    version: &'static str,
    #[schema(example = "AGPL-3.0-only")]
    license: &'static str,
    /// Where the source is.
    source: &'static str,
}

/// Get the version
///
/// And where the source is, which the licence (AGPL-3.0-only) entitles every user of this server to.
#[utoipa::path(
    get,
    path = "/version",
    operation_id = "version",
    tag = "Service",
    responses((status = 200, description = "The version", body = Success<VersionAnswer>), Open),
)]
pub async fn version() -> Success<VersionAnswer> {
    Success::new(VersionAnswer {
        name: "waypost",
        version: env!("CARGO_PKG_VERSION"),
        license: env!("CARGO_PKG_LICENSE"),
        source: SOURCE,
    })
}
