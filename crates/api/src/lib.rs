//! Waypost's HTTP surface: routes, authentication, envelopes, the error table, OpenAPI.
//!
//! [`router`] is all that a server needs. A request goes: id and span ([`request`](crate::request)) → the limits for
//! strangers (`doors`), or credential and rate limit (`auth`) → typed input (`input`) → a use case of [`waypost_accounts`]
//! or [`waypost_gateway`] → envelope. `router.rs` lists every route; every endpoint is one file under `v1/`.

mod access_log;
mod auth;
mod budget;
mod config;
mod doors;
mod envelope;
mod error;
mod input;
mod openapi;
mod path;
mod proxies;
mod rate_limit;
mod request;
mod router;
mod v1;

use std::sync::{Arc, Once};

use budget::Budget;
use waypost_accounts::Accounts;
use waypost_gateway::Gateway;

pub use config::ApiConfig;
pub use openapi::{openapi, prepare as prepare_documentation};
pub use proxies::TrustedProxies;
pub use request::TurnedAway;
pub use router::router;

/// What handlers share.
#[derive(Clone)]
pub(crate) struct App {
    accounts: Accounts,
    gateway: Gateway,
    config: Arc<ApiConfig>,
    limiter: Option<Arc<rate_limit::Limiter>>,
    doors: Arc<doors::Doors>,
    /// Request bodies in memory.
    bodies: Budget,
    /// Answers in memory.
    answers: Budget,
    /// Says once that a proxy seems to be there that nobody trusts.
    untrusted_proxy: Arc<Once>,
}

impl App {
    fn new(accounts: Accounts, gateway: Gateway, config: ApiConfig) -> Self {
        let limiter = config.requests_per_minute.map(|limit| Arc::new(rate_limit::Limiter::new(limit)));
        let doors = Arc::new(doors::Doors::new(&config));
        let bytes = config.max_body_bytes_in_flight;
        Self {
            accounts,
            gateway,
            config: Arc::new(config),
            limiter,
            doors,
            bodies: Budget::new(bytes),
            answers: Budget::new(bytes),
            untrusted_proxy: Arc::new(Once::new()),
        }
    }
}
