//! Whether something that WhatsApp delivered may not be stored.
//!
//! What could not be stored is not confirmed, so it stays in WhatsApp's mailbox. WhatsApp brings it again with the next
//! connection and not before. So whoever fails to store or to read says it here, and the driver makes the connection
//! anew (`link::redelivery`).

use std::sync::atomic::{AtomicBool, Ordering};

/// Shared by everything of one client that stores.
#[derive(Debug, Default)]
pub(crate) struct Unstored(AtomicBool);

impl Unstored {
    /// Something failed: what came in may not be stored.
    pub(crate) fn note(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether something failed since this was last asked.
    pub(crate) fn take(&self) -> bool {
        self.0.swap(false, Ordering::AcqRel)
    }
}
