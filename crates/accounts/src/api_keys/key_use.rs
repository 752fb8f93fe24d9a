//! Notes when keys are used, behind the requests' back: many keys in one write, each key once a minute.

use tokio::sync::mpsc;
use waypost_domain::{ApiKeyId, Timestamp};
use waypost_store::Store;

/// How many uses may wait to be written. What does not fit is left out: the next minute notes the key again.
const WAITING: usize = 1024;

/// Where uses are noted.
pub(crate) struct KeyUse(mpsc::Sender<(ApiKeyId, Timestamp)>);

impl KeyUse {
    /// Starts the task that writes; it ends when the last note is written and this value is dropped.
    pub fn start(store: Store) -> Self {
        let (sender, mut receiver) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            let mut used = Vec::new();
            while receiver.recv_many(&mut used, WAITING).await > 0 {
                if let Err(error) = store.touch_api_keys_system(std::mem::take(&mut used)).await {
                    tracing::warn!(%error, "the last use of API keys was not noted");
                }
            }
        });
        Self(sender)
    }

    /// Notes that a key was used. Never waits.
    pub fn note(&self, key: ApiKeyId, at: Timestamp) {
        // Full or closing: `last_used_at` is an aid to people, not a promise worth a request's time.
        let _ = self.0.try_send((key, at));
    }
}
