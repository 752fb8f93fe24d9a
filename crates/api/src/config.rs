//! What an operator can set.

use std::{num::NonZeroU32, time::Duration};

use axum::http::HeaderValue;

use crate::proxies::TrustedProxies;

/// The settings of the HTTP surface.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// The most bytes that a JSON body may have.
    pub json_body_limit: usize,
    /// The most bytes of request bodies that are in memory at a time, and again of answers.
    pub max_body_bytes_in_flight: usize,
    /// How many requests a tenant may make a minute, and at once after a rest; none for no limit, and then no
    /// `RateLimit-*` headers either. The default is far above what two cores can serve: on an installation of one's own
    /// there is nobody to protect from oneself.
    pub requests_per_minute: Option<NonZeroU32>,
    /// How many requests for routes that ask for no credential a network (an IPv4 address, an IPv6 /56) may make a minute;
    /// none for no limit.
    pub open_requests_per_minute: Option<NonZeroU32>,
    /// How many such requests there may be a second, from all networks; none for no limit.
    pub open_requests_per_second: Option<NonZeroU32>,
    /// How long whoever showed no valid credential waits for a refusal, if they are past a limit or caused as many other
    /// errors as there may be requests for open routes.
    pub refusal_pause: Duration,
    /// The reverse proxies whose word on a client's address is believed.
    pub proxies: TrustedProxies,
    /// Whether the API's document and its page are served.
    pub docs: bool,
    /// The origins of web pages whose scripts may call the API, such as `https://app.example.com`.
    pub cors_origins: Vec<HeaderValue>,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            json_body_limit: 1024 * 1024,
            max_body_bytes_in_flight: 64 * 1024 * 1024,
            requests_per_minute: NonZeroU32::new(6_000_000),
            open_requests_per_minute: NonZeroU32::new(600),
            open_requests_per_second: NonZeroU32::new(200),
            refusal_pause: Duration::from_secs(1),
            proxies: TrustedProxies::default(),
            docs: true,
            cors_origins: Vec::new(),
        }
    }
}
