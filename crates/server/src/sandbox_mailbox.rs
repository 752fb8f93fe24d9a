//! The sandbox's mailbox, in the database.

use async_trait::async_trait;
use waypost_engine::sandbox::{Mailbox, MailboxChanges, MailboxError, Owed, Reply};
use waypost_store::{SandboxMailboxChanges, SandboxOwed, Store, StoreError};

/// Keeps what the sandbox owes beside everything else, so that it lives and dies with it.
pub struct DatabaseMailbox {
    store: Store,
}

impl DatabaseMailbox {
    /// A mailbox in `store`.
    pub const fn new(store: Store) -> Self {
        Self { store }
    }
}

#[async_trait]
impl Mailbox for DatabaseMailbox {
    async fn write(&self, changes: MailboxChanges) -> Result<(), MailboxError> {
        let MailboxChanges { puts, removals, forgotten } = changes;
        let puts = puts.into_iter().map(row).collect();
        self.store
            .change_sandbox_mailbox_system(SandboxMailboxChanges { puts, removals, forgotten })
            .await
            .map_err(failure)
    }

    async fn load(&self) -> Result<Vec<Owed>, MailboxError> {
        let rows = self.store.sandbox_mailbox_system().await.map_err(failure)?;
        Ok(rows.into_iter().map(owed).collect())
    }
}

fn row(owed: Owed) -> SandboxOwed {
    let Owed { session, wa_id, to, taken_at, receipts, reply } = owed;
    let reply = reply.map(|Reply { wa_id, content }| (wa_id, content));
    SandboxOwed { session_id: session, wa_id, chat: to, taken_at, receipts, reply }
}

fn owed(row: SandboxOwed) -> Owed {
    let SandboxOwed { session_id, wa_id, chat, taken_at, receipts, reply } = row;
    let reply = reply.map(|(wa_id, content)| Reply { wa_id, content });
    Owed { session: session_id, wa_id, to: chat, taken_at, receipts, reply }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn failure(error: StoreError) -> MailboxError {
    MailboxError(error.to_string())
}
