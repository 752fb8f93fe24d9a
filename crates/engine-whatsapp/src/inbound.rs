//! Inbound messages on their way to the gateway's database.
//!
//! The client calls the hook with decrypted messages and sends their delivery receipts, which are what makes WhatsApp
//! forget them, only after it returns `Ok`. So the receipt follows the commit, and a crash in between brings the message
//! again.

use std::sync::Arc;

use wacore::types::events::InboundMessage;
use waypost_domain::SessionId;
use waypost_engine::{EventSink, Inbound};
use whatsapp_rust::{Client, InboundDurabilityHook, anyhow, async_trait};

use crate::{incoming, unstored::Unstored};

/// Hands a session's inbound messages to the gateway.
pub(crate) struct InboundHook {
    session: SessionId,
    sink: Arc<dyn EventSink>,
    unstored: Arc<Unstored>,
}

impl InboundHook {
    pub(crate) fn new(session: SessionId, sink: Arc<dyn EventSink>, unstored: Arc<Unstored>) -> Self {
        Self { session, sink, unstored }
    }
}

#[async_trait]
impl InboundDurabilityHook for InboundHook {
    async fn on_messages(&self, _client: Arc<Client>, batch: &[InboundMessage]) -> anyhow::Result<()> {
        let messages = convert(batch);
        if messages.is_empty() {
            return Ok(());
        }
        let stored = self.sink.inbound(self.session, messages).await;
        if stored.is_err() {
            self.unstored.note();
        }
        Ok(stored?)
    }
}

/// The messages among `batch` that the gateway keeps, in order.
pub(crate) fn convert(batch: &[InboundMessage]) -> Vec<Inbound> {
    batch.iter().filter_map(|item| incoming::convert(&item.message, &item.info)).collect()
}
