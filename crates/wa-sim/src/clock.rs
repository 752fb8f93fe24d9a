//! Time as wa-sim sees it: the wall clock plus an offset that a test may move.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A clock shared by a whole simulator. Clones move together.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    offset_ms: Arc<AtomicI64>,
}

impl Clock {
    /// Milliseconds since the epoch.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the system")]
    pub fn millis(&self) -> u64 {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |elapsed| u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
        wall.saturating_add_signed(self.offset_ms.load(Ordering::Relaxed))
    }

    /// Seconds since the epoch, as stanzas carry them in `t`.
    pub fn secs(&self) -> u64 {
        self.millis() / 1000
    }

    pub(crate) fn offset(&self) -> i64 {
        self.offset_ms.load(Ordering::Relaxed)
    }

    /// Moves the clock; negative values move it back. Offsets add up.
    pub fn shift(&self, millis: i64) {
        self.offset_ms.fetch_add(millis, Ordering::Relaxed);
    }
}
