//! Slows down whoever guesses passwords: so many logins a minute for one e-mail, and for one client address.
//!
//! The counters are bounded. An e-mail counts whether someone has it or not, so the answer tells nothing.

use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use governor::{
    DefaultDirectRateLimiter, Quota,
    clock::{Clock, DefaultClock},
};
use moka::sync::Cache;
use waypost_domain::Email;

use crate::GatewayError;

/// How many counters are kept; the least asked for go first.
const COUNTERS: u64 = 100_000;

/// How many logins may be tried a minute; none for no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginLimits {
    /// For one e-mail.
    pub per_email: Option<NonZeroU32>,
    /// From one client address (IPv6: from one /64).
    pub per_address: Option<NonZeroU32>,
}

impl Default for LoginLimits {
    fn default() -> Self {
        Self { per_email: NonZeroU32::new(20), per_address: NonZeroU32::new(200) }
    }
}

/// Counts attempts.
pub(crate) struct LoginAttempts {
    limits: LoginLimits,
    counters: Cache<Subject, Arc<DefaultDirectRateLimiter>>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Subject {
    Email(Email),
    Address(IpAddr),
}

impl LoginAttempts {
    pub fn new(limits: LoginLimits) -> Self {
        // A counter that nobody asked for a minute long is full again: dropping it changes nothing.
        let counters = Cache::builder().max_capacity(COUNTERS).time_to_idle(Duration::from_mins(1)).build();
        Self { limits, counters }
    }

    /// Counts an attempt. [`GatewayError::RateLimited`] where it is one too many.
    pub fn count(&self, email: &Email, client: Option<IpAddr>) -> Result<(), GatewayError> {
        if let Some(client) = client {
            self.take(Subject::Address(network_of(client)), self.limits.per_address)?;
        }
        self.take(Subject::Email(email.clone()), self.limits.per_email)
    }

    fn take(&self, subject: Subject, per_minute: Option<NonZeroU32>) -> Result<(), GatewayError> {
        let Some(per_minute) = per_minute else { return Ok(()) };
        let new = || Arc::new(DefaultDirectRateLimiter::direct(Quota::per_minute(per_minute)));
        self.counters.get_with(subject, new).check().map_err(|refused| {
            let wait = refused.wait_time_from(DefaultClock::default().now());
            GatewayError::RateLimited(u32::try_from(wait.as_secs() + 1).unwrap_or(u32::MAX))
        })
    }
}

/// One customer of a provider has a whole IPv6 /64: its addresses count as one.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempts(per_email: u32, per_address: u32) -> LoginAttempts {
        LoginAttempts::new(LoginLimits {
            per_email: NonZeroU32::new(per_email),
            per_address: NonZeroU32::new(per_address),
        })
    }

    fn email(number: u32) -> Email {
        format!("ada{number}@example.com").parse().unwrap()
    }

    #[test]
    fn one_email_has_so_many_attempts_from_anywhere() {
        let attempts = attempts(3, 100);
        for client in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
            attempts.count(&email(1), client.parse().ok()).unwrap();
        }
        let refused = attempts.count(&email(1), "192.0.2.4".parse().ok());
        assert!(matches!(refused, Err(GatewayError::RateLimited(1..=21))), "{refused:?}");
        attempts.count(&email(2), None).unwrap();
    }

    #[test]
    fn one_address_has_so_many_attempts_for_any_email() {
        let attempts = attempts(100, 3);
        for (number, client) in ["2001:db8::1", "2001:db8::2", "2001:db8::ffff:1"].into_iter().enumerate() {
            attempts.count(&email(u32::try_from(number).unwrap()), client.parse().ok()).unwrap();
        }
        assert!(attempts.count(&email(9), "2001:db8::9".parse().ok()).is_err());
        attempts.count(&email(9), "2001:db8:0:1::9".parse().ok()).unwrap();
    }

    #[test]
    fn no_limit_means_none() {
        let attempts = attempts(0, 0);
        for _ in 0..1000 {
            attempts.count(&email(1), "192.0.2.1".parse().ok()).unwrap();
        }
    }
}
