//! What an operator can set.

use std::num::NonZeroU32;

use axum::http::{HeaderName, HeaderValue};

/// The settings of the HTTP surface.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// The most bytes that a JSON body may have.
    pub json_body_limit: usize,
    /// How many requests a tenant may make a minute, and at once after a rest; none for no limit, and then no
    /// `RateLimit-*` headers either. The default is far above what two cores can serve: on an installation of one's own
    /// there is nobody to protect from oneself.
    pub requests_per_minute: Option<NonZeroU32>,
    /// How many requests for routes that ask for no credential a network (an IPv4 address, an IPv6 /56) may make a minute;
    /// none for no limit.
    pub open_requests_per_minute: Option<NonZeroU32>,
    /// How many such requests there may be a second, from all networks; none for no limit.
    pub open_requests_per_second: Option<NonZeroU32>,
    /// The header in which a reverse proxy of one's own names the client, such as `x-forwarded-for`; its last entry is
    /// believed. None where clients connect directly: they could write anything into it.
    pub client_address_header: Option<HeaderName>,
    /// Whether the API's document and its page are served.
    pub docs: bool,
    /// The origins of web pages whose scripts may call the API, such as `https://app.example.com`.
    pub cors_origins: Vec<HeaderValue>,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            json_body_limit: 1024 * 1024,
            requests_per_minute: NonZeroU32::new(6_000_000),
            open_requests_per_minute: NonZeroU32::new(600),
            open_requests_per_second: NonZeroU32::new(200),
            client_address_header: None,
            docs: true,
            cors_origins: Vec::new(),
        }
    }
}
