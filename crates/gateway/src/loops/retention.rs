//! Retention: what has expired goes.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::Inner;

/// How often to look.
const PERIOD: Duration = Duration::from_hours(1);

/// How long what a paced session sent matters to its limits: the longest is a day's.
const PACED: Duration = Duration::from_hours(25);

/// Deletes expired refresh tokens, forgotten idempotency keys and what paced sessions sent long ago, until the process
/// stops.
pub(super) async fn run(inner: &Inner) {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = inner.stopping.cancelled() => return,
        }
        match inner.store.prune_refresh_tokens_system(inner.env.now()).await {
            Ok(0) => {}
            Ok(tokens) => tracing::info!(tokens, "expired refresh tokens were deleted"),
            Err(error) => tracing::error!(%error, "expired refresh tokens were not deleted; trying again later"),
        }
        match inner.store.prune_idempotency_keys_system(inner.env.now()).await {
            Ok(0) => {}
            Ok(keys) => tracing::info!(keys, "idempotency keys of yesterday were deleted"),
            Err(error) => tracing::error!(%error, "old idempotency keys were not deleted; trying again later"),
        }
        if let Err(error) = inner.store.prune_spent_system(inner.env.now().minus(PACED)).await {
            tracing::error!(%error, "what paced sessions sent long ago was not deleted; trying again later");
        }
    }
}
