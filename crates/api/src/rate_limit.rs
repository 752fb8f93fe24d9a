//! So many requests a minute for each tenant, whatever credentials it uses.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::DashMapStateStore,
};
use waypost_domain::TenantId;

/// After how many requests the tenants that have been quiet are forgotten.
const SWEEP_EVERY: u32 = 1 << 20;

/// Counts requests.
pub struct Limiter {
    per_minute: NonZeroU32,
    tenants: RateLimiter<TenantId, DashMapStateStore<TenantId>, DefaultClock, StateInformationMiddleware>,
    clock: DefaultClock,
    until_sweep: AtomicU32,
}

/// What a tenant has left, for the headers.
#[derive(Debug, PartialEq, Eq)]
pub struct Allowance {
    limit: u32,
    remaining: u32,
}

impl Limiter {
    /// Lets every tenant make `per_minute` requests a minute, and as many at once after a rest.
    pub fn new(per_minute: NonZeroU32) -> Self {
        let clock = DefaultClock::default();
        let tenants = RateLimiter::dashmap_with_clock(Quota::per_minute(per_minute), clock.clone())
            .with_middleware::<StateInformationMiddleware>();
        Self { per_minute, tenants, clock, until_sweep: AtomicU32::new(SWEEP_EVERY) }
    }

    /// Counts a request of a tenant: what is left, and, where it is one too many, the seconds to wait.
    pub fn take(&self, tenant: TenantId) -> (Allowance, Option<u32>) {
        if self.until_sweep.fetch_sub(1, Ordering::Relaxed) == 0 {
            self.until_sweep.store(SWEEP_EVERY, Ordering::Relaxed);
            self.tenants.retain_recent();
        }
        let limit = self.per_minute.get();
        match self.tenants.check_key(&tenant) {
            Ok(state) => (Allowance { limit, remaining: state.remaining_burst_capacity() }, None),
            Err(refused) => {
                let wait = refused.wait_time_from(self.clock.now()).as_millis().div_ceil(1000).max(1);
                (Allowance { limit, remaining: 0 }, Some(u32::try_from(wait).unwrap_or(u32::MAX)))
            }
        }
    }
}

impl Allowance {
    /// Seconds until the whole limit is free again.
    fn reset(&self) -> u32 {
        let used = u64::from(self.limit - self.remaining);
        u32::try_from((used * 60).div_ceil(u64::from(self.limit))).unwrap_or(u32::MAX)
    }

    /// Writes the three headers.
    pub fn write(&self, headers: &mut HeaderMap) {
        for (name, value) in [
            (HeaderName::from_static("ratelimit-limit"), self.limit),
            (HeaderName::from_static("ratelimit-remaining"), self.remaining),
            (HeaderName::from_static("ratelimit-reset"), self.reset()),
        ] {
            headers.insert(name, HeaderValue::from(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use waypost_domain::Env;

    use super::*;

    #[test]
    fn a_tenant_is_refused_past_its_limit_and_no_other_is() {
        let limiter = Limiter::new(NonZeroU32::new(2).unwrap());
        let [busy, other] = [(); 2].map(|()| Env::system().new_id());
        assert_eq!(limiter.take(busy), (Allowance { limit: 2, remaining: 1 }, None));
        assert_eq!(limiter.take(busy), (Allowance { limit: 2, remaining: 0 }, None));
        let (allowance, wait) = limiter.take(busy);
        assert_eq!(allowance.remaining, 0);
        assert!((1..=30).contains(&wait.unwrap()), "{wait:?}");
        assert_eq!(limiter.take(other).1, None);
    }

    #[test]
    fn the_reset_is_when_the_whole_limit_is_free() {
        assert_eq!(Allowance { limit: 60, remaining: 60 }.reset(), 0);
        assert_eq!(Allowance { limit: 60, remaining: 59 }.reset(), 1);
        assert_eq!(Allowance { limit: 60, remaining: 0 }.reset(), 60);
        assert_eq!(Allowance { limit: 6_000_000, remaining: 5_999_999 }.reset(), 1);
    }
}
