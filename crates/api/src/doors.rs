//! The doors that stand open to everyone: so many requests for each client and in all, before anything costs.
//!
//! The layer goes around every route that asks for no credential, but for `/health`, so that no flood makes an
//! orchestrator kill the process. It answers before the body is read, and who is refused for themselves takes nothing
//! from the others.

use std::{net::IpAddr, num::NonZeroU32, time::Duration};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use waypost_accounts::limits::{Allowance, Limiter, Network, network_of, seconds};
use waypost_domain::Timestamp;

use crate::{App, config::ApiConfig, error::ApiError, input::ClientAddress};

/// How many requests a client may make at once. Less than there may be in a second in all, so that one client alone does
/// not shut the door for everybody.
const AT_ONCE: NonZeroU32 = NonZeroU32::new(60).expect("60 is not 0");

/// Counts requests for open routes.
pub struct Doors {
    per_network: Limiter<Network>,
    in_all: Limiter<()>,
    /// Errors that were answered without a credential.
    errors: Limiter<Network>,
}

impl Doors {
    /// With the limits of the configuration.
    pub fn new(config: &ApiConfig) -> Self {
        Self {
            per_network: Limiter::new(Allowance::per_minute_evenly(config.open_requests_per_minute, AT_ONCE)),
            in_all: Limiter::new(Allowance::per_second(config.open_requests_per_second)),
            errors: Limiter::new(Allowance::per_minute_evenly(config.open_requests_per_minute, AT_ONCE)),
        }
    }

    /// Whether somebody without a credential, who is answered with this error, has to wait for it: past a limit, and after
    /// as many errors of any other kind as there may be requests for open routes.
    pub fn slow_down(&self, error: &ApiError, client: Option<IpAddr>, now: Timestamp) -> bool {
        matches!(error, ApiError::RateLimited(_)) || self.errors.take(&network_of(client), now).is_err()
    }

    fn enter(&self, client: Option<IpAddr>, now: Timestamp) -> Result<(), Duration> {
        self.per_network.take(&network_of(client), now)?;
        self.in_all.take(&(), now)
    }
}

/// Lets a stranger through, or tells them when to come back.
pub async fn limit(
    State(app): State<App>,
    ClientAddress(client): ClientAddress,
    request: Request,
    next: Next,
) -> Response {
    match app.doors.enter(client, app.gateway.env().now()) {
        Ok(()) => next.run(request).await,
        Err(wait) => ApiError::RateLimited(seconds(wait)).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    #[test]
    fn who_causes_one_error_after_the_other_waits_for_each_and_nobody_else_does() {
        let doors = Doors::new(&ApiConfig { open_requests_per_minute: NonZeroU32::new(2), ..ApiConfig::default() });
        let client = |number| Some([192, 0, 2, number].into());
        assert!(doors.slow_down(&ApiError::RateLimited(1), client(1), NOW), "past a limit, at once");
        let waits: Vec<_> = (0..4).map(|_| doors.slow_down(&ApiError::NoRoute, client(1), NOW)).collect();
        assert_eq!(waits, [false, false, true, true]);
        assert!(!doors.slow_down(&ApiError::NoRoute, client(2), NOW));
    }

    #[test]
    fn one_client_is_refused_past_its_limit_and_takes_nothing_from_the_others() {
        let doors = Doors::new(&ApiConfig {
            open_requests_per_minute: NonZeroU32::new(2),
            open_requests_per_second: NonZeroU32::new(4),
            ..ApiConfig::default()
        });
        let client = |number| Some([192, 0, 2, number].into());
        let passed = (0..100).filter(|_| doors.enter(client(1), NOW).is_ok()).count();
        assert_eq!(passed, 2);
        assert_eq!(doors.enter(client(1), NOW), Err(Duration::from_secs(30)));
        for number in [2, 3] {
            doors.enter(client(number), NOW).unwrap();
        }
        assert_eq!(doors.enter(client(4), NOW), Err(Duration::from_millis(250)), "the limit in all");
    }
}
