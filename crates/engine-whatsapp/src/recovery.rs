//! What was decrypted and never stored is asked for again.
//!
//! The client saves how far it has read a chat's cipher beside what it read, not together with it. A process that is killed
//! between the two cannot read the message when WhatsApp brings it again, and the client takes it for one that it has
//! dealt with: it would confirm it, and the message would be lost. So before such a message is confirmed the gateway is
//! asked whether it has it. Where it has not, the sender is asked to encrypt it once more, as it is for any message that
//! cannot be decrypted, and the confirmation waits for the copy.

use std::sync::{Arc, Weak};

use wacore_binary::{Jid, builder::NodeBuilder};
use waypost_domain::{SessionId, WaMessageId};
use waypost_engine::{EventSink, NotStored};
use whatsapp_rust::{Client, RetryRequestOptions};

use crate::lines::Lines;

/// Asks for the messages of one session.
pub(crate) struct Recovery {
    session: SessionId,
    sink: Arc<dyn EventSink>,
    client: Weak<Client>,
    lines: Arc<Lines>,
}

impl Recovery {
    /// For the session of `client`.
    pub(crate) fn new(session: SessionId, sink: Arc<dyn EventSink>, client: Weak<Client>, lines: Arc<Lines>) -> Self {
        Self { session, sink, client, lines }
    }

    /// `Ok` where a message that can no longer be read may be confirmed. Else its sender was asked for it.
    pub(crate) async fn may_confirm(&self, chat: &str, sender: &str, id: &str) -> Result<(), NotStored> {
        if self.is_own(sender) {
            return Ok(());
        }
        match self.sink.has_inbound(self.session, &WaMessageId::from(id.to_owned())).await {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error) => {
                self.lines.spoil();
                return Err(error);
            }
        }
        tracing::warn!(session.id = %self.session, "a message was read and not stored when a process ended; asking for it");
        self.ask(chat, sender, id);
        Err(NotStored)
    }

    /// What the account's other devices wrote is not kept.
    fn is_own(&self, sender: &str) -> bool {
        let (Some(client), Ok(sender)) = (self.client.upgrade(), sender.parse::<Jid>()) else { return false };
        let own = [client.pn(), client.lid()];
        own.into_iter().flatten().any(|own| own.user == sender.user && own.server == sender.server)
    }

    /// In a task of its own: the client waits for the answer to its question with the cipher's state locked.
    fn ask(&self, chat: &str, sender: &str, id: &str) {
        let Some(client) = self.client.upgrade() else { return };
        let (session, group) = (self.session, chat.ends_with("@g.us"));
        let mut stanza = NodeBuilder::new("message").attr("id", id).attr("type", "text").attr("t", "0");
        stanza =
            if group { stanza.attr("from", chat).attr("participant", sender) } else { stanza.attr("from", sender) };
        let stanza = stanza.build();
        tokio::spawn(async move {
            let asked = client.request_message_retry(&stanza.as_node_ref(), RetryRequestOptions::new()).await;
            if let Err(error) = asked {
                tracing::warn!(session.id = %session, %error, "a message could not be asked for; the next connection asks");
            }
        });
    }
}
