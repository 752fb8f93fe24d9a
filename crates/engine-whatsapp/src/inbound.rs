//! Inbound messages on their way to the gateway's database.
//!
//! The client calls the hook with decrypted messages and sends their delivery receipts, which are what makes WhatsApp
//! forget them, only after it returns `Ok`. So the receipt follows the commit, and a crash in between brings the message
//! again. After one that could not be stored no other is, until WhatsApp brings it on the next connection: they keep
//! their order.

use std::sync::Arc;

use wacore::types::events::InboundMessage;
use waypost_domain::{Inbound, JidServer, PhoneNumber, SessionId};
use waypost_engine::EventSink;
use whatsapp_rust::{Client, InboundDurabilityHook, anyhow, async_trait};

use crate::{incoming, jid, lines::Lines};

/// Hands a session's inbound messages to the gateway.
pub(crate) struct InboundHook {
    session: SessionId,
    sink: Arc<dyn EventSink>,
    lines: Arc<Lines>,
}

impl InboundHook {
    pub(crate) fn new(session: SessionId, sink: Arc<dyn EventSink>, lines: Arc<Lines>) -> Self {
        Self { session, sink, lines }
    }
}

#[async_trait]
impl InboundDurabilityHook for InboundHook {
    async fn on_messages(&self, client: Arc<Client>, batch: &[InboundMessage]) -> anyhow::Result<()> {
        let mut messages = convert(batch);
        for message in &mut messages {
            name_by_number(&client, message).await;
        }
        if messages.is_empty() {
            return Ok(());
        }
        anyhow::ensure!(!self.lines.present_is_spoiled(), "what came in before could not be stored");
        let stored = self.sink.inbound(self.session, messages).await;
        if stored.is_err() {
            self.lines.spoil();
        }
        Ok(stored?)
    }
}

/// Adds the number of a sender whom the network names by LID alone, where the client has learned it elsewhere.
async fn name_by_number(client: &Client, message: &mut Inbound) {
    if message.sender_alt.is_none()
        && message.sender.server() == JidServer::Lid
        && let Ok(Some(known)) = client.get_lid_pn_entry(&jid::to_wire(&message.sender)).await
    {
        message.sender_alt = known.phone_number.parse().ok().map(|number: PhoneNumber| number.to_jid());
    }
}

/// The messages among `batch` that the gateway keeps, in order.
pub(crate) fn convert(batch: &[InboundMessage]) -> Vec<Inbound> {
    batch.iter().filter_map(|item| incoming::convert(&item.message, &item.info)).collect()
}
