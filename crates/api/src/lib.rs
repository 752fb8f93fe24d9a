//! Waypost's HTTP surface: routes, authentication, envelopes, the error table, OpenAPI.
//!
//! [`router`] is all that a server needs. A request goes: id and span ([`request`](crate::request)) → the limits for
//! strangers (`doors`), or credential and rate limit (`auth`) → typed input (`input`) → a use case of [`waypost_gateway`] → envelope. `router.rs` lists every
//! route; every endpoint is one file under `v1/`.

mod auth;
mod config;
mod doors;
mod envelope;
mod error;
mod input;
mod openapi;
mod path;
mod rate_limit;
mod request;
mod router;
mod v1;

use std::sync::Arc;

use waypost_gateway::Gateway;

pub use config::ApiConfig;
pub use openapi::openapi;
pub use router::router;

/// What handlers share.
#[derive(Clone)]
pub(crate) struct App {
    gateway: Gateway,
    config: Arc<ApiConfig>,
    limiter: Option<Arc<rate_limit::Limiter>>,
    doors: Arc<doors::Doors>,
}

impl App {
    fn new(gateway: Gateway, config: ApiConfig) -> Self {
        let limiter = config.requests_per_minute.map(|limit| Arc::new(rate_limit::Limiter::new(limit)));
        let doors = Arc::new(doors::Doors::new(&config));
        Self { gateway, config: Arc::new(config), limiter, doors }
    }
}
