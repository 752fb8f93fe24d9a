//! One logged-in companion's connection: what it says, and where that goes.

use crate::account::{Account, Device};
use crate::core::{Core, Stats};
use crate::faults::HeldAck;
use crate::mailbox::Class;
use crate::network::{self, Connection, Failure, Version};
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

/// What a client calls itself.
pub(crate) fn version(payload: &ClientPayload) -> Option<Version> {
    let version = payload.user_agent.as_option()?.app_version.as_option()?;
    Some(Version([version.primary?, version.secondary.unwrap_or(0), version.tertiary.unwrap_or(0)]))
}

impl Session {
    /// Logs a companion in, or refuses it with a `<failure>`: as the rules say, 405 for a client that is too
    /// old, 401 for a device that was never linked or no longer is, or has another Noise key than it was linked with.
    pub(crate) fn login(
        core: &Core,
        payload: &ClientPayload,
        client_static: &[u8; 32],
        connection: &Connection,
        outbox: &Arc<Outbox>,
    ) -> Result<Self, Failure> {
        let id = payload.device.and_then(|id| u16::try_from(id).ok()).unwrap_or(0);
        let pn = payload.username.map(|number| number.to_string()).unwrap_or_default();
        let version = version(payload);
        let book = |failure, replaced| {
            let version = version.map(|version| version.to_string());
            core.network.login_book().note(&pn, id, version, failure, replaced);
        };
        let refuse = |failure: Failure| {
            book(Some(failure.reason), false);
            Err(failure)
        };
        let reason = |reason| Failure { reason, ..Failure::default() };
        let met = core.network.meet(connection, &pn, id);
        if core.network.too_old(version) {
            return refuse(reason(405));
        }
        if let Some(failure) = met.failure {
            return refuse(failure);
        }
        let found = core.directory.by_pn(&pn).and_then(|account| account.device(id).map(|device| (account, device)));
        let Some((account, device)) = found.filter(|(_, device)| device.noise_public == *client_static) else {
            return refuse(reason(401));
        };
        Stats::add(&core.stats.logins);
        let replaced = device.mailbox().attach(Arc::clone(outbox));
        book(None, replaced.is_some());
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
        if let Some(error) = met.stream_error {
            network::send(outbox, &error);
        }
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
