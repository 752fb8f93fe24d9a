//! How often a session may ask. Pure: the time is an argument.

use std::num::NonZeroU32;

use waypost_domain::Timestamp;

/// How many numbers each session may look up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookupLimits {
    /// In a minute, in the long run.
    pub per_minute: NonZeroU32,
    /// At once, after a pause.
    pub burst: NonZeroU32,
}

impl Default for LookupLimits {
    fn default() -> Self {
        let number = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        Self { per_minute: number(30), burst: number(100) }
    }
}

/// A bucket of permits that fills up over time.
#[derive(Debug)]
pub(super) struct Throttle {
    /// What is in it, in thousandths of a permit: below 0 after a question that was larger than the bucket.
    filled: i64,
    at: Timestamp,
    /// WhatsApp asked for silence until then.
    silent_until: Option<Timestamp>,
}

impl Throttle {
    pub(super) fn new(limits: LookupLimits, now: Timestamp) -> Self {
        Self { filled: full(limits), at: now, silent_until: None }
    }

    /// Takes permits for so many numbers; where there are too few, the seconds until there are enough. A full bucket
    /// lets a question of any size pass, and is empty for the longer after it.
    pub(super) fn take(&mut self, numbers: usize, limits: LookupLimits, now: Timestamp) -> Result<(), u32> {
        if let Some(until) = self.silent_until.filter(|until| *until > now) {
            return Err(seconds(until.as_millis() - now.as_millis()));
        }
        self.fill(limits, now);
        let wanted = i64::try_from(numbers).unwrap_or(i64::MAX / 1000) * 1000;
        let missing = wanted.min(full(limits)) - self.filled;
        if missing > 0 {
            let per_minute = i64::from(limits.per_minute.get());
            return Err(seconds(div_ceil(missing * 60, per_minute)));
        }
        self.filled -= wanted;
        Ok(())
    }

    /// WhatsApp wants no question for so long.
    pub(super) fn silence(&mut self, secs: u32, now: Timestamp) {
        self.silent_until = Some(now.plus(std::time::Duration::from_secs(secs.into())));
    }

    /// Whether forgetting it changes nothing.
    pub(super) fn is_idle(&mut self, limits: LookupLimits, now: Timestamp) -> bool {
        self.fill(limits, now);
        self.filled >= full(limits) && self.silent_until.is_none_or(|until| until <= now)
    }

    fn fill(&mut self, limits: LookupLimits, now: Timestamp) {
        let passed = now.as_millis().saturating_sub(self.at.as_millis()).max(0);
        // A permit is 1000 thousandths and a minute 60,000 milliseconds.
        let gained = passed.saturating_mul(i64::from(limits.per_minute.get())) / 60;
        if gained > 0 || now < self.at {
            self.at = now;
        }
        self.filled = self.filled.saturating_add(gained).min(full(limits));
    }
}

fn full(limits: LookupLimits) -> i64 {
    i64::from(limits.burst.get()) * 1000
}

/// Milliseconds as whole seconds, 1 at the least.
fn seconds(millis: i64) -> u32 {
    u32::try_from(div_ceil(millis.max(1), 1000)).unwrap_or(u32::MAX)
}

/// Division that rounds up, of numbers that are not negative.
const fn div_ceil(number: i64, by: i64) -> i64 {
    (number + by - 1) / by
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_000_000);

    fn limits() -> LookupLimits {
        LookupLimits { per_minute: NonZeroU32::new(30).unwrap(), burst: NonZeroU32::new(100).unwrap() }
    }

    #[test]
    fn a_burst_passes_and_then_so_many_a_minute() {
        let mut throttle = Throttle::new(limits(), START);
        assert_eq!(throttle.take(100, limits(), START), Ok(()));
        assert_eq!(throttle.take(1, limits(), START), Err(2), "one in two seconds");
        assert_eq!(throttle.take(30, limits(), START), Err(60));
        assert_eq!(throttle.take(1, limits(), START.plus(Duration::from_secs(2))), Ok(()));
        assert_eq!(throttle.take(1, limits(), START.plus(Duration::from_secs(2))), Err(2));
    }

    #[test]
    fn no_more_pass_in_an_hour_than_the_limits_allow() {
        let mut throttle = Throttle::new(limits(), START);
        let passed = (0..36_000_u64)
            .filter(|tenth| throttle.take(1, limits(), START.plus(Duration::from_millis(tenth * 100))).is_ok())
            .count();
        assert!((1890..=1900).contains(&passed), "{passed}");
    }

    #[test]
    fn a_question_larger_than_the_bucket_passes_when_it_is_full_and_is_paid_for_later() {
        let mut throttle = Throttle::new(limits(), START);
        assert_eq!(throttle.take(200, limits(), START), Ok(()));
        assert_eq!(throttle.take(1, limits(), START), Err(202));
    }

    #[test]
    fn whatsapp_is_not_asked_while_it_wants_silence() {
        let mut throttle = Throttle::new(limits(), START);
        throttle.silence(30, START);
        assert!(!throttle.is_idle(limits(), START));
        assert_eq!(throttle.take(1, limits(), START.plus(Duration::from_secs(10))), Err(20));
        assert_eq!(throttle.take(1, limits(), START.plus(Duration::from_secs(30))), Ok(()));
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing_and_takes_nothing() {
        let mut throttle = Throttle::new(limits(), START);
        assert_eq!(throttle.take(100, limits(), START), Ok(()));
        assert_eq!(throttle.take(1, limits(), START.minus(Duration::from_hours(1))), Err(2));
    }
}
