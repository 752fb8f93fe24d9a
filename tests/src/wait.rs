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
    let started = Instant::now();
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(started.elapsed() < DEADLINE, "waited {DEADLINE:?} in vain for: {what}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
