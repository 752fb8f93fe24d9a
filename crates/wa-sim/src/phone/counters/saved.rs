//! Used counters outlive the process: a ratchet that is set back while the simulator restarts is noticed too.

use super::{Counters, Use};
use crate::persist::Blob;

impl Counters {
    /// Counter and ciphertext, eight bytes each, oldest first.
    pub(crate) fn save(&self) -> Blob {
        let pairs = self.order.iter().filter_map(|counter| Some([*counter, *self.seen.get(counter)?]));
        Blob(pairs.flatten().flat_map(u64::to_be_bytes).collect())
    }

    pub(crate) fn restore(saved: &Blob) -> anyhow::Result<Self> {
        let mut counters = Self::default();
        for pair in saved.0.chunks(16) {
            let (counter, ciphertext) = pair.split_at_checked(8).unwrap_or_default();
            let (counter, ciphertext) = (counter.try_into()?, ciphertext.try_into()?);
            counters.remember(Use { counter: u64::from_be_bytes(counter), ciphertext: u64::from_be_bytes(ciphertext) });
        }
        Ok(counters)
    }
}
