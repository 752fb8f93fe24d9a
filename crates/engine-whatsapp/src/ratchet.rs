//! The cipher's state goes to the disk before anything that was encrypted with it goes to WhatsApp.
//!
//! Whoever is answered takes the next step of the double ratchet: reading a message gives a fresh key for what is sent
//! next. The client sends under that key at once and saves it some 25 ms later (its `signal_flush`). A process killed in
//! between starts with the key before, reads the message again, and draws another: from then on neither side can read the
//! other until one of them asks for a new session. So after a message was read, the gate ([`crate::gate`]) saves the state
//! before it lets the next frame pass. Who only sends pays nothing.

use std::{
    sync::{
        OnceLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::timeout;
use waypost_domain::SessionId;
use whatsapp_rust::Client;

/// How long a frame waits at most. The client may itself wait for that frame, with the state locked.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whether the state of one client's cipher took a step that is not on disk.
#[derive(Default)]
pub(crate) struct Ratchet {
    moved: AtomicBool,
    client: OnceLock<Weak<Client>>,
}

impl Ratchet {
    /// Whose state it is.
    pub(crate) fn belongs_to(&self, client: Weak<Client>) {
        // One client has one ratchet: there is no second.
        let _ = self.client.set(client);
    }

    /// A message was read.
    pub(crate) fn moved(&self) {
        self.moved.store(true, Ordering::Release);
    }

    /// Saves the state, if a message was read since it was last saved.
    pub(crate) async fn save(&self, session: SessionId) {
        if !self.moved.swap(false, Ordering::AcqRel) {
            return;
        }
        let Some(client) = self.client.get().and_then(Weak::upgrade) else { return };
        let saved = timeout(PATIENCE, client.flush_pending_signal_state()).await;
        if !matches!(saved, Ok(Ok(()))) {
            tracing::warn!(session.id = %session, "the cipher's state is not saved yet; the client tries again by itself");
        }
    }
}
