//! Waiting for conditions.

use std::time::{Duration, Instant};

/// How long anything may take: machines that run tests are small and noisy.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// Between two looks at a condition.
const LOOK_AGAIN: Duration = Duration::from_millis(30);

/// Looks until `probe` finds something, and returns it.
///
/// # Panics
/// With `what` when the deadline is over.
pub async fn eventually<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    eventually_or_tell(what, async || probe().await.ok_or_else(String::new)).await
}

/// Looks until `probe` finds something, and returns it. Until then the probe says what there is instead.
///
/// # Panics
/// With `what` and what there was instead when the deadline is over.
pub async fn eventually_or_tell<T>(what: &str, mut probe: impl AsyncFnMut() -> Result<T, String>) -> T {
    let started = Instant::now();
    loop {
        match probe().await {
            Ok(found) => return found,
            Err(instead) => {
                assert!(started.elapsed() < DEADLINE, "waited {DEADLINE:?} in vain for: {what}\n{instead}");
            }
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
