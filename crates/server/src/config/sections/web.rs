//! What browsers get.

use axum::http::HeaderValue;
use clap::Args;
use serde::Deserialize;
use waypost_api::ApiConfig;

use super::Section;
use crate::config::forms::{As, Form, OneOf, name};

/// What browsers get.
#[derive(Debug, Clone, Args, Deserialize)]
pub struct Web {
    /// Whether the API's documentation is served, at /api/docs and /api/openapi.json.
    #[arg(long, value_name = "BOOLEAN", default_value = name(ApiConfig::default().docs))]
    pub docs: As<OneOf<bool>>,
    /// Web origins whose pages may call the API, with commas between them.
    #[arg(long, value_name = "ORIGINS")]
    pub cors_origins: Option<As<Origins>>,
}

impl Section for Web {}

/// Web origins with commas between them.
pub struct Origins;

impl Form for Origins {
    type Value = Vec<HeaderValue>;

    fn read(text: &str) -> Result<Vec<HeaderValue>, String> {
        let origins: Option<_> = text.split(',').map(|text| origin(text.trim())).collect();
        origins.ok_or_else(|| {
            "must be web origins with commas between them, without a path, such as https://app.example.com".to_owned()
        })
    }
}

/// An origin as a browser sends it (RFC 6454, 6.2): in small letters and without a path. Others would never match.
fn origin(text: &str) -> Option<HeaderValue> {
    let text = text.strip_suffix('/').unwrap_or(text).to_lowercase();
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let is_host =
        !host.is_empty() && !host.contains(['/', '?', '#', '@', '*', '\\']) && !host.contains(char::is_whitespace);
    is_host.then(|| text.parse().ok()).flatten()
}
