//! The phone's one task: takes jobs in order, and owns the phone's Signal sessions.

mod saved;

pub(crate) use saved::SavedState;

use super::counters::{Counters, Use, Verdict};
use super::outgoing::{self, AppStateKey};
use super::signal::{Endpoint, Sealed};
use super::view::Arrival;
use super::{EncKind, Incoming, Job, Phone, RetryRequest};
use crate::account::{Account, Device};
use crate::config::Phones;
use crate::core::Core;
use crate::faults::ReceiptForm;
use crate::relay::{self, Sender};
use crate::stanza::blob;
use crate::{prekeys, receipts};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};
use tokio::sync::mpsc;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{CompactString, Jid, Node, Server};
use wacore_libsignal::protocol::{DeviceId, ProtocolAddress};
use waproto::whatsapp::Message;
use waproto::whatsapp::message::protocol_message;

/// Sent messages kept for retry receipts.
const MAX_SENT: usize = 256;
/// A device that cannot read a message gets this many more tries, as phones do it (wire.md 2.8).
const MAX_RETRIES: u32 = 5;
/// From this retry on the receipt carries keys for a new session (`wacore::protocol::retry`).
const KEYS_FROM: u32 = 2;
/// Unreadable messages whose retries are counted.
const MAX_RETRYING: usize = 10_000;

/// Runs until the account or the simulator is gone.
pub(crate) async fn run(
    core: Weak<Core>,
    account: Weak<Account>,
    phone: Weak<Phone>,
    mut jobs: mpsc::Receiver<Job>,
    mut state: Option<State>,
) {
    while let Some(job) = jobs.recv().await {
        let (Some(core), Some(account), Some(phone)) = (core.upgrade(), account.upgrade(), phone.upgrade()) else {
            return;
        };
        let works = Arc::clone(&core.works);
        if let Job::Save(done) = job {
            // The one who saves may have given up.
            let _ = done.send(state.as_ref().map(State::save).transpose());
        } else {
            // Most accounts of a large run never get here, so their phones hold no session store.
            let state = state.get_or_insert_with(|| State::new(&phone));
            Worker { core, account, phone, state }.handle(job).await;
        }
        works.end();
    }
}

struct Sent {
    id: CompactString,
    to: Jid,
    message: Message,
}

pub(crate) struct State {
    signal: Endpoint,
    app_state_key: AppStateKey,
    sent: VecDeque<Sent>,
    retries: HashMap<CompactString, u32>,
    counters: Counters,
}

/// What came of opening a message.
enum Opened {
    Message(Box<Message>),
    /// It is the very ciphertext that was opened before.
    Repeat,
    Nothing,
}

impl State {
    fn new(phone: &Phone) -> Self {
        Self {
            signal: Endpoint::new(phone.keys()),
            app_state_key: AppStateKey::generate(),
            sent: VecDeque::new(),
            retries: HashMap::new(),
            counters: Counters::default(),
        }
    }
}

struct Worker<'s> {
    core: Arc<Core>,
    account: Arc<Account>,
    phone: Arc<Phone>,
    state: &'s mut State,
}

/// Sessions are kept by number and device, whichever namespace a stanza used.
fn address(pn: &str, device: u16) -> ProtocolAddress {
    ProtocolAddress::new(pn, DeviceId::new(u32::from(device)))
}

impl Worker<'_> {
    async fn handle(&mut self, job: Job) {
        match job {
            Job::Incoming(incoming) => {
                for _ in 0..=incoming.again {
                    self.show(&incoming).await;
                }
            }
            Job::Receipt { ids, from, kind } => {
                self.phone.view().record_receipt(&ids, &from, kind.as_deref());
            }
            Job::SendText { to, text, id, done } => {
                let outcome = self.send_text(&to, &text, id).await;
                // The caller may have given up waiting, which changes nothing here.
                let _ = done.send(outcome);
            }
            Job::Read { chat, ids, done } => {
                let unread = self.phone.view().take_unread(chat.as_deref(), ids.as_deref());
                let count = unread.iter().map(|(_, _, ids)| ids.len()).sum();
                for (chat, from, ids) in unread {
                    receipts::read_by_phone(&self.core, &self.account, &chat, &from, ids);
                }
                let _ = done.send(count);
            }
            Job::AskAgain { chat, id, form, count, done } => {
                let _ = done.send(self.claim_unread(&chat, &id, form, count));
            }
            Job::Welcome(device) => self.welcome(&device).await,
            Job::Retry(request) => self.send_again(request).await,
            Job::Save(_) => {}
        }
    }

    async fn show(&mut self, incoming: &Incoming) {
        if self.core.config.phones == Phones::Count {
            self.phone.view().record(incoming, Arrival::Unopened);
            self.confirm(incoming);
            return;
        }
        let message = match self.open(incoming).await {
            Opened::Message(message) => message,
            Opened::Repeat if self.phone.view().knows(incoming) => {
                self.phone.view().record(incoming, Arrival::Repeat);
                self.confirm(incoming);
                return;
            }
            // A repeated key request: answered the first time.
            Opened::Repeat => return,
            Opened::Nothing => {
                self.phone.view().record(incoming, Arrival::Unreadable);
                self.ask_again(incoming);
                return;
            }
        };
        self.state.retries.remove(&incoming.id);
        let shown = match message.device_sent_message.as_option() {
            Some(sent) => sent.message.as_option().unwrap_or(&message),
            None => &message,
        };
        if let Some(protocol) = shown.protocol_message.as_option() {
            if protocol.r#type == Some(protocol_message::Type::APP_STATE_SYNC_KEY_REQUEST) && incoming.from_me {
                self.share_key(incoming.from.device).await;
            }
            self.phone.view().record_peer();
        } else {
            let (kind, text) = describe(shown);
            self.phone.view().record(incoming, Arrival::Readable { kind, text });
        }
        self.confirm(incoming);
    }

    /// Decrypts all parts; the last one is the message, an earlier one may carry a group key.
    async fn open(&mut self, incoming: &Incoming) -> Opened {
        let peer = address(&incoming.from_pn, incoming.from.device);
        let mut opened = None;
        let mut repeated = false;
        for (kind, bytes) in &incoming.encs {
            let group = incoming.group.as_ref().map(ToString::to_string);
            let used = Use::read(&peer, group.as_deref(), *kind, bytes);
            let verdict = used.map_or(Verdict::New, |used| self.state.counters.judge(used));
            match verdict {
                Verdict::New => {}
                // An earlier part (a group's key) may be known while the last is not.
                Verdict::Repeat if opened.is_none() => {
                    repeated = true;
                    continue;
                }
                Verdict::Repeat => continue,
                Verdict::Reused => self.phone.view().record_reuse(),
            }
            let plain = match kind {
                EncKind::SenderKey => {
                    self.state.signal.decrypt_group(group.as_deref().unwrap_or_default(), &peer, bytes).await
                }
                _ => self.state.signal.decrypt(&peer, *kind, bytes).await,
            };
            let plain = match plain {
                Ok(plain) => plain,
                Err(error) => {
                    tracing::debug!(message.id = %incoming.id, %error, "phone cannot decrypt");
                    return Opened::Nothing;
                }
            };
            if let Some(used) = used {
                self.state.counters.remember(used);
            }
            let message = outgoing::unpadded(&plain).and_then(|plain| waproto::codec::message_decode(plain).ok());
            let Some(message) = message else {
                return Opened::Nothing;
            };
            if let Some(key) = message.sender_key_distribution_message.as_option()
                && let (Some(group), Some(bytes)) = (&key.group_id, &key.axolotl_sender_key_distribution_message)
                && self.state.signal.learn_sender_key(group, &peer, bytes).await.is_err()
            {
                return Opened::Nothing;
            }
            opened = Some(Box::new(message));
        }
        match opened {
            Some(message) => Opened::Message(message),
            None if repeated => Opened::Repeat,
            None => Opened::Nothing,
        }
    }

    /// The delivery receipt of a phone that is switched on.
    fn confirm(&self, incoming: &Incoming) {
        if !incoming.from_me && self.phone.sends_receipts(self.core.config.phone_receipts) {
            receipts::delivered_to_phone(&self.core, &self.account, &self.phone, incoming);
        }
    }

    fn ask_again(&mut self, incoming: &Incoming) {
        if self.state.retries.len() >= MAX_RETRYING {
            self.state.retries.clear();
        }
        let count = self.state.retries.entry(incoming.id.clone()).or_insert(0);
        *count += 1;
        if *count <= MAX_RETRIES {
            let count = *count;
            self.send_retry(incoming, count, None);
        }
    }

    fn send_retry(&self, incoming: &Incoming, count: u32, form: Option<ReceiptForm>) {
        let phone = &self.phone;
        phone.view().record_retry(&incoming.chat, &incoming.id, incoming.from_me);
        let bundle = (count >= KEYS_FROM).then(|| phone.bundle());
        receipts::retry_by_phone(&self.core, (&self.account, phone), incoming, count, bundle.as_ref(), form);
    }

    /// A retry receipt for a message that was read without trouble.
    fn claim_unread(&self, chat: &str, id: &str, form: Option<ReceiptForm>, count: u32) -> bool {
        let Some((from, from_me, t)) = self.phone.view().origin(chat, id) else {
            return false;
        };
        let claimed = Incoming {
            id: id.into(),
            from_pn: CompactString::default(),
            from,
            chat: chat.into(),
            group: self.core.groups.jid_of(chat),
            from_me,
            t,
            encs: Vec::new(),
            again: 0,
        };
        self.send_retry(&claimed, count, form);
        true
    }

    async fn send_text(&mut self, to: &str, text: &str, id: Option<String>) -> Result<String, String> {
        let Some(target) = self.core.directory.by_pn(to) else {
            return Err(format!("{to} is not on WhatsApp"));
        };
        let id =
            id.unwrap_or_else(|| format!("3A{}", crate::crypto::hex(&crate::crypto::random::<9>()).to_uppercase()));
        let message = outgoing::text(text);
        let by_lid = self.account.namespace().migrated() == Some(true) || target.namespace().hides_number();
        let to = target.jid(if by_lid { Server::Lid } else { Server::Pn });
        let copy = outgoing::device_sent(&to.to_string(), &message);
        let mut participants = Vec::new();
        let others = std::iter::once(0).chain(target.devices().into_iter().map(|device| device.id));
        if target.pn != self.account.pn {
            for device in others {
                participants.push(self.participant(&target, device, &message).await?);
            }
        }
        for device in self.account.devices() {
            let account = Arc::clone(&self.account);
            participants.push(self.participant(&account, device.id, &copy).await?);
        }
        let node = NodeBuilder::new("message")
            .attr("to", &to)
            .attr("id", &*id)
            .attr("type", "text")
            .children([NodeBuilder::new("participants").children(participants).build()])
            .build();
        self.remember(&id, to, message);
        self.relay(&node)?;
        let mine = Incoming {
            id: id.as_str().into(),
            from_pn: self.account.pn.clone(),
            from: self.account.jid(Server::Pn),
            chat: target.pn.clone(),
            group: None,
            from_me: true,
            t: self.core.clock.secs(),
            encs: Vec::new(),
            again: 0,
        };
        let (kind, text) = ("text".to_owned(), Some(text.to_owned()));
        self.phone.view().record(&mine, Arrival::Readable { kind, text });
        Ok(id)
    }

    fn remember(&mut self, id: &str, to: Jid, message: Message) {
        self.state.sent.push_back(Sent { id: id.into(), to, message });
        if self.state.sent.len() > MAX_SENT {
            self.state.sent.pop_front();
        }
    }

    async fn participant(&mut self, account: &Arc<Account>, device: u16, message: &Message) -> Result<Node, String> {
        let sealed = self.seal(account, device, message, false).await?;
        Ok(NodeBuilder::new("to")
            .attr("jid", account.jid(Server::Pn).with_device(device))
            .children([enc_node(sealed)])
            .build())
    }

    /// Encrypts for one device, over a session that is started if need be.
    async fn seal(
        &mut self,
        account: &Arc<Account>,
        device: u16,
        message: &Message,
        afresh: bool,
    ) -> Result<Sealed, String> {
        let peer = address(&account.pn, device);
        if afresh || !self.state.signal.has_session(&peer) {
            let bundle =
                prekeys::take_bundle(&self.core, account, device).ok_or_else(|| format!("{peer} has no keys"))?;
            self.state.signal.start(&peer, &bundle).await.map_err(|error| error.to_string())?;
        }
        self.state.signal.encrypt(&peer, &outgoing::padded(message)).await.map_err(|error| error.to_string())
    }

    fn relay(&self, node: &Node) -> Result<(), String> {
        let sender = Sender { account: &self.account, device: 0 };
        let relayed = relay::relay(&self.core, &sender, &node.as_node_ref()).map_err(|bad| bad.to_string())?;
        for (phone, incoming) in relayed.phones {
            if !phone.try_post(Job::Incoming(incoming)) {
                return Err("the other phone is too far behind".into());
            }
        }
        match relayed.refused {
            Some(code) => Err(format!("refused with error {code}")),
            None => Ok(()),
        }
    }

    /// A message of category `peer` to one companion of the account's own.
    async fn tell_companion(&mut self, device: u16, message: &Message) {
        let account = Arc::clone(&self.account);
        let sealed = match self.seal(&account, device, message, false).await {
            Ok(sealed) => sealed,
            Err(error) => {
                tracing::warn!(device, error, "the phone cannot reach its companion");
                return;
            }
        };
        let node = NodeBuilder::new("message")
            .attr("to", self.account.jid(Server::Pn).with_device(device))
            .attr("id", self.core.stanza_id())
            .attr("type", "text")
            .attr("category", "peer")
            .children([enc_node(sealed)])
            .build();
        if let Err(error) = self.relay(&node) {
            tracing::warn!(device, error, "the phone cannot reach its companion");
        }
    }

    async fn welcome(&mut self, device: &Device) {
        self.share_key(device.id).await;
        self.tell_companion(device.id, &outgoing::empty_history()).await;
    }

    async fn share_key(&mut self, device: u16) {
        let share = outgoing::key_share(&self.account, &self.state.app_state_key, self.core.clock.secs());
        self.tell_companion(device, &share).await;
    }

    async fn send_again(&mut self, request: RetryRequest) {
        let Some(sent) = self.state.sent.iter().find(|sent| sent.id == request.id) else {
            return;
        };
        let (to, message) = (sent.to.clone(), sent.message.clone());
        let Some(account) = self.core.directory.by_pn(&request.from_pn) else {
            return;
        };
        let own = account.pn == self.account.pn;
        let message = if own { outgoing::device_sent(&to.to_string(), &message) } else { message };
        if let Some(bundle) = &request.bundle {
            let peer = address(&account.pn, request.device);
            if self.state.signal.start(&peer, bundle).await.is_err() {
                return;
            }
        }
        let afresh = request.bundle.is_none();
        let Ok(sealed) = self.seal(&account, request.device, &message, afresh).await else {
            return;
        };
        let mut node = NodeBuilder::new("message")
            .attr("to", account.jid(if own { Server::Pn } else { to.server }).with_device(request.device))
            .attr("id", &*request.id)
            .attr("type", "text");
        if own {
            node = node.attr("recipient", to);
        }
        let mut enc = enc_node(sealed);
        enc.attrs.insert("count", request.count);
        if let Err(error) = self.relay(&node.children([enc]).build()) {
            tracing::debug!(message.id = %request.id, error, "retry not relayed");
        }
    }
}

fn enc_node(sealed: Sealed) -> Node {
    let mut node = blob("enc", sealed.bytes);
    node.attrs.insert("v", "2");
    node.attrs.insert("type", sealed.kind);
    node
}

/// What kind of message it is, and its text if it is one.
fn describe(message: &Message) -> (String, Option<String>) {
    if let Some(text) = &message.conversation {
        return ("text".into(), Some(text.clone()));
    }
    if let Some(extended) = message.extended_text_message.as_option() {
        return ("text".into(), extended.text.clone());
    }
    let kind = if message.image_message.is_set() {
        "image"
    } else if message.video_message.is_set() {
        "video"
    } else if message.audio_message.is_set() {
        "audio"
    } else if message.document_message.is_set() {
        "document"
    } else if message.sticker_message.is_set() {
        "sticker"
    } else if message.reaction_message.is_set() {
        "reaction"
    } else if message.location_message.is_set() {
        "location"
    } else if message.contact_message.is_set() {
        "contact"
    } else if message.sender_key_distribution_message.is_set() {
        "senderKey"
    } else {
        "other"
    };
    (kind.into(), None)
}
