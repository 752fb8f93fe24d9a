//! One logged-in companion's connection: what it says, and where that goes.

use crate::account::{Account, Device};
use crate::core::{Core, Stats};
use crate::faults::HeldAck;
use crate::mailbox::Class;
use crate::outbox::Outbox;
use crate::phone::Job;
use crate::relay::{self, Ack, Sender};
use crate::stanza::{self, BadStanza, jid_attr, str_attr};
use crate::{iq, presence, receipts};
use std::sync::Arc;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Node, NodeRef, Server};
use waproto::whatsapp::ClientPayload;

/// See the module's head.
pub(crate) struct Session {
    pub(crate) account: Arc<Account>,
    pub(crate) device: Arc<Device>,
    outbox: Arc<Outbox>,
}

impl Session {
    /// Logs a companion in, or refuses it with the reason for the `<failure>`: a device that was never linked
    /// or no longer is gets 401, and so does one with another Noise key than it was linked with.
    pub(crate) fn login(
        core: &Core,
        payload: &ClientPayload,
        client_static: &[u8; 32],
        outbox: &Arc<Outbox>,
    ) -> Result<Self, u16> {
        let device = payload.device.and_then(|id| u16::try_from(id).ok()).unwrap_or(0);
        let account = payload.username.and_then(|number| core.directory.by_pn(&number.to_string()));
        let found = account.and_then(|account| account.device(device).map(|device| (account, device)));
        let Some((account, device)) = found.filter(|(_, device)| device.noise_public == *client_static) else {
            return Err(401);
        };
        Stats::add(&core.stats.logins);
        let replaced = device.mailbox().attach(Arc::clone(outbox));
        if let Some(old) = replaced {
            old.push(stanza::encode(&stanza::stream_error(None, Some("replaced"))));
            old.finish();
        }
        let session = Self { account, device, outbox: Arc::clone(outbox) };
        let success = NodeBuilder::new("success")
            .attr("t", core.clock.secs())
            .attr("lid", session.account.jid(Server::Lid).with_device(session.device.id))
            .attr("location", "wasim")
            .attr("props", "27")
            .build();
        session.push(&success);
        Ok(session)
    }

    /// Sends something that is worth nothing to a later connection.
    pub(crate) fn push(&self, node: &Node) {
        self.outbox.push(stanza::encode(node));
    }

    /// Takes one stanza.
    pub(crate) async fn handle(&self, core: &Core, node: &NodeRef<'_>) -> Result<(), BadStanza> {
        if self.outbox.is_finishing() {
            return Ok(());
        }
        match &*node.tag {
            "message" => self.message(core, node).await?,
            "receipt" => {
                let ack = receipts::take(core, &self.account, &self.device, node)?;
                self.push(&ack);
            }
            "ack" => self.settle(node),
            "iq" => self.iq(core, node).await?,
            "presence" => presence::presence(core, &self.account, &self.device, node),
            "chatstate" => presence::chatstate(core, &self.account, &self.device, node),
            "ib" => {
                let batch = node.get_optional_child("offline_batch");
                if let Some(count) = batch.and_then(|batch| str_attr(batch, "count")) {
                    self.device.mailbox().more(count.parse().unwrap_or(0));
                }
            }
            "notification" | "call" => {
                let id = stanza::id_of(node)?;
                self.push(&NodeBuilder::new("ack").attr("class", node.tag.to_string()).attr("id", &*id).build());
            }
            _ => {}
        }
        Ok(())
    }

    async fn message(&self, core: &Core, node: &NodeRef<'_>) -> Result<(), BadStanza> {
        let sender = Sender { account: &self.account, device: self.device.id };
        let relayed = relay::relay(core, &sender, node)?;
        for (phone, incoming) in relayed.phones {
            phone.post(Job::Incoming(incoming)).await;
        }
        if let Some(ack) = relayed.ack {
            self.acknowledge(core, &ack);
        }
        Ok(())
    }

    /// Sends an ack as its plan says. A late one is for this connection: it is lost if that is gone.
    fn acknowledge(&self, core: &Core, ack: &Ack) {
        let held = HeldAck {
            outbox: Arc::clone(&self.outbox),
            stanza: stanza::encode(&ack.node),
            times: ack.plan.repeats + 1,
        };
        if let Some(slot) = &ack.slot {
            core.faults.acks().put(slot, held);
        } else if let Some(delay) = ack.plan.delay {
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                held.send();
            });
        } else {
            held.send();
        }
    }

    /// An `<ack>` (or nack) of something this device was sent: it will not be sent again.
    fn settle(&self, node: &NodeRef<'_>) {
        let class = str_attr(node, "class").and_then(|class| Class::parse(&class));
        if let (Some(class), Some(id)) = (class, str_attr(node, "id")) {
            let (from, kind) = (jid_attr(node, "to"), str_attr(node, "type"));
            self.device.mailbox().settle(class, &id, from.as_ref(), kind.as_deref());
        }
    }

    async fn iq(&self, core: &Core, node: &NodeRef<'_>) -> Result<(), BadStanza> {
        let active = node.get_attr("xmlns").is_some_and(|xmlns| *xmlns == "passive")
            && node.get_optional_child("active").is_some();
        if let Some(reply) = iq::answer(core, self, node)? {
            self.push(&reply);
        }
        if active {
            self.device.mailbox().activate();
            if Account::claim_welcome(&self.device) {
                self.account.phone().post(Job::Welcome(Arc::clone(&self.device))).await;
            }
        }
        Ok(())
    }

    /// The connection is over.
    pub(crate) fn end(&self, core: &Core) {
        let still_there = {
            let mut mailbox = self.device.mailbox();
            mailbox.detach(self.outbox.id());
            mailbox.is_connected()
        };
        if !still_there {
            presence::gone(core, &self.account, &self.device);
        }
    }
}
