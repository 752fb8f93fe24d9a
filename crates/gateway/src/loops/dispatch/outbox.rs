//! The messages of one session that are on their way: claimed from the database, not settled yet. Pure: no I/O, and
//! the time is an argument.
//!
//! It guarantees that
//! - messages to one chat are handed out in the order of acceptance, one at a time, and a chat that is slow, failing
//!   or unanswered holds up no other (docs/guarantees.md 4);
//! - a message goes out again only under its own id, and only so often: [`Limits::send_attempts`] times without an
//!   answer on a connection that lived, [`MAX_SENDS`] times in all (promise 3);
//! - what has expired is handed out no more ([`Outbox::expired`]);
//! - it stays bounded: [`MAX_UNSENT`] messages to be sent, [`WINDOW`] sent and unanswered (promise 11);
//! - in a paced session a message is handed out only when the pacer lets it go, and one that may not holds up no other
//!   chat ([`Outbox::next_if`]).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;
use waypost_domain::{Jid, Timestamp, WaMessageId};
use waypost_store::OutboxMessage;

/// The most claimed messages that wait for their turn or are in a send call.
pub(crate) const MAX_UNSENT: usize = 256;
/// The most messages that are sent and unanswered.
pub(crate) const WINDOW: usize = 256;
/// The most messages of one chat that are sent and unanswered: a chat that nobody answers leaves room for others.
const CHAT_WINDOW: usize = 64;
/// The most chats in a send call at once.
const MAX_CHATS: usize = 64;
/// A chat with this many messages to be sent gets no more for now.
const CHAT_BACKLOG: usize = 64;
/// The most messages in one claim. A claim also takes at most a quarter of the free room, so that many chats must
/// be stuck at once before they fill it.
const MAX_CLAIM: usize = 64;
/// The least worth claiming for.
const MIN_CLAIM: usize = 8;
/// The most times a message is sent in all, lost connections included: one that kills the connection ends here.
const MAX_SENDS: u32 = 16;

/// What an operator can set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How long an acknowledgement may take.
    pub(crate) ack_timeout: Duration,
    /// How often a message is sent in all before it fails for want of an acknowledgement.
    pub(crate) send_attempts: u32,
}

/// A message on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) message: OutboxMessage,
    pub(crate) tries: Tries,
    /// When its claim counted it as sent; `None` once it was handed out, or where nobody counts.
    pub(crate) counted: Option<Timestamp>,
}

/// How often a message was tried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tries {
    /// Written to a connection, or possibly so.
    pub(crate) sends: u32,
    /// Sent, and not answered in time though the connection lived.
    unanswered: u32,
    /// Failed to be sent, in a row.
    pub(crate) failures: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    chats: HashMap<Jid, Chat>,
    /// The chats whose first message may go out, each once, in turn.
    turn: VecDeque<Jid>,
    /// The chats that wait before they try again.
    backing_off: BTreeSet<(Instant, Jid)>,
    /// Where each message is.
    known: HashMap<WaMessageId, Place>,
    /// Sent and unanswered, in the order of sending, which is the order of their deadlines.
    unacked: BTreeMap<u64, (Instant, Item)>,
    sent_so_far: u64,
    unsent: usize,
    sending: usize,
    /// Of messages sent on an earlier connection and not settled.
    earlier_tries: HashMap<WaMessageId, Tries>,
    /// First contacts that are not settled, with their chats.
    strangers: HashMap<WaMessageId, Jid>,
    /// A chat that was left out of claims is no longer.
    freed: bool,
    /// No message that waits expires before.
    first_expiry: Option<Timestamp>,
    /// The connection for which the rows that said `sending` were taken in.
    loaded_for: Option<u64>,
}

#[derive(Debug, Default)]
struct Chat {
    queue: VecDeque<Item>,
    sending: bool,
    backing_off: bool,
    unacked: usize,
    in_turn: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Waiting,
    Sending,
    Unacked(u64),
    /// Answered while it waited or was in a send call: nothing more is to be done for it.
    Settled,
}

impl Chat {
    fn is_ready(&self) -> bool {
        !self.in_turn && !self.sending && !self.backing_off && self.unacked < CHAT_WINDOW && !self.queue.is_empty()
    }

    fn is_busy(&self) -> bool {
        self.backing_off || self.queue.len() >= CHAT_BACKLOG
    }

    fn is_empty(&self) -> bool {
        self.queue.is_empty() && !self.sending && self.unacked == 0
    }
}

impl Outbox {
    /// The connection for which [`Outbox::add_again`] was called since the outbox was last emptied.
    pub(crate) const fn loaded_for(&self) -> Option<u64> {
        self.loaded_for
    }

    /// Takes in messages freshly claimed, oldest first. `counted` is when the claim counted them as sent, if it did.
    pub(crate) fn add(&mut self, messages: Vec<OutboxMessage>, counted: Option<Timestamp>) {
        for message in messages {
            if !self.known.contains_key(&message.outgoing.wa_id) {
                self.insert(Item { message, tries: Tries::default(), counted });
            }
        }
    }

    /// Takes in messages that were sent, or may have been, on a connection that is no more, oldest first. Returns
    /// those that were sent too often already: they have failed, for want of an acknowledgement.
    #[must_use]
    pub(crate) fn add_again(&mut self, connection: u64, messages: Vec<OutboxMessage>) -> Vec<Item> {
        self.loaded_for = Some(connection);
        let mut exhausted = Vec::new();
        let mut earlier = std::mem::take(&mut self.earlier_tries);
        for message in messages {
            if self.known.contains_key(&message.outgoing.wa_id) {
                continue;
            }
            // A message of an earlier process counts as sent once: nobody knows better.
            let once = Tries { sends: 1, ..Tries::default() };
            let tries = earlier.remove(&message.outgoing.wa_id).unwrap_or(once);
            let item = Item { message, tries, counted: None };
            if item.tries.sends >= MAX_SENDS {
                exhausted.push(item);
            } else {
                self.insert(item);
            }
        }
        exhausted
    }

    /// The next message to hand over; it is then in a send call.
    pub(crate) fn next(&mut self) -> Option<Item> {
        self.next_if(|_| true)
    }

    /// The next message to hand over that may go; it is then in a send call. Those that may not keep their turn.
    pub(crate) fn next_if(&mut self, mut may_go: impl FnMut(&Item) -> bool) -> Option<Item> {
        let mut passed_over = 0;
        while self.sending < MAX_CHATS && self.unacked.len() + self.sending < WINDOW && passed_over < self.turn.len() {
            let jid = self.turn.pop_front()?;
            // All that a chat in turn had may have expired.
            let Some(chat) = self.chats.get_mut(&jid) else { continue };
            chat.in_turn = false;
            if !chat.is_ready() {
                continue;
            }
            let first = chat.queue.front().expect("a chat that is ready has messages");
            if self.known.get(&first.message.outgoing.wa_id) != Some(&Place::Settled) && !may_go(first) {
                chat.in_turn = true;
                self.turn.push_back(jid);
                passed_over += 1;
                continue;
            }
            let was_busy = chat.is_busy();
            let Some(item) = chat.queue.pop_front() else { continue };
            self.freed |= was_busy && !chat.is_busy();
            let place = self.known.get_mut(&item.message.outgoing.wa_id).expect("a waiting message is known");
            if *place == Place::Settled {
                self.unsent -= 1;
                self.call_in(&jid);
                self.forget(&item);
                continue;
            }
            *place = Place::Sending;
            chat.sending = true;
            self.sending += 1;
            return Some(item);
        }
        None
    }

    /// The message was handed over; its acknowledgement is due in time.
    pub(crate) fn sent(&mut self, mut item: Item, now: Instant, limits: Limits) {
        if self.leave_send_call(&item) {
            self.forget(&item);
            return;
        }
        item.tries.sends += 1;
        item.tries.failures = 0;
        let number = self.sent_so_far;
        self.sent_so_far += 1;
        self.known.insert(item.message.outgoing.wa_id.clone(), Place::Unacked(number));
        self.chats.entry(item.message.outgoing.to.clone()).or_default().unacked += 1;
        self.unacked.insert(number, (now + limits.ack_timeout, item));
    }

    /// The message was not handed over and tries again, first of its chat: at `at`, or as soon as it may.
    pub(crate) fn again(&mut self, item: Item, at: Option<Instant>) {
        if self.leave_send_call(&item) {
            self.forget(&item);
            return;
        }
        let jid = item.message.outgoing.to.clone();
        if let Some(at) = at {
            self.chats.entry(jid.clone()).or_default().backing_off = true;
            self.backing_off.insert((at, jid));
        }
        self.insert(item);
    }

    /// The message is done with: it was handed over or failed, and that is on disk.
    pub(crate) fn close(&mut self, item: &Item) {
        self.leave_send_call(item);
        self.forget(item);
    }

    /// The network answered for a message. `true` where that makes room for others, or nothing is left.
    pub(crate) fn settle(&mut self, wa_id: &WaMessageId) -> bool {
        self.earlier_tries.remove(wa_id);
        let Some(place) = self.known.get_mut(wa_id) else { return false };
        match *place {
            Place::Waiting | Place::Sending => {
                *place = Place::Settled;
                false
            }
            Place::Settled => false,
            Place::Unacked(number) => {
                let window_was_full = self.unacked.len() + self.sending >= WINDOW;
                let (_, item) = self.unacked.remove(&number).expect("an unacked message stands in the list");
                let chat_was_full = self.lower_unacked(&item.message.outgoing.to);
                self.forget(&item);
                window_was_full || chat_was_full || self.is_empty()
            }
        }
    }

    /// Takes the messages whose acknowledgement is overdue: those with tries left go out again under their ids, before
    /// the rest of their chats; the others are returned, and have failed.
    #[must_use]
    pub(crate) fn overdue(&mut self, now: Instant, limits: Limits) -> Vec<Item> {
        let mut exhausted = Vec::new();
        while let Some(first) = self.unacked.first_entry() {
            if first.get().0 > now {
                break;
            }
            let (_, mut item) = first.remove();
            self.lower_unacked(&item.message.outgoing.to);
            item.tries.unanswered += 1;
            if item.tries.unanswered >= limits.send_attempts || item.tries.sends >= MAX_SENDS {
                self.forget(&item);
                exhausted.push(item);
            } else {
                self.insert(item);
            }
        }
        exhausted
    }

    /// Takes the messages that wait and have expired: they have failed.
    #[must_use]
    pub(crate) fn expired(&mut self, now: Timestamp) -> Vec<Item> {
        if self.first_expiry.is_none_or(|at| at > now) {
            return Vec::new();
        }
        let mut expired = Vec::new();
        for chat in self.chats.values_mut() {
            let was_busy = chat.is_busy();
            let (over, waiting): (VecDeque<_>, _) =
                chat.queue.drain(..).partition(|item: &Item| item.message.expires_at.is_some_and(|at| at <= now));
            chat.queue = waiting;
            expired.extend(over);
            self.freed |= was_busy && !chat.is_busy();
        }
        let waiting = self.chats.values().flat_map(|chat| &chat.queue);
        self.first_expiry = waiting.filter_map(|item| item.message.expires_at).min();
        self.unsent -= expired.len();
        // One that was answered while it waited has not failed.
        let answered = |item: &Item| self.known.get(&item.message.outgoing.wa_id) == Some(&Place::Settled);
        let (settled, failed): (Vec<_>, Vec<_>) = expired.into_iter().partition(answered);
        settled.iter().chain(&failed).for_each(|item| self.forget(item));
        failed
    }

    /// When to call [`Outbox::expired`] next: not before this time.
    pub(crate) const fn first_expiry(&self) -> Option<Timestamp> {
        self.first_expiry
    }

    /// Lets chats whose wait is over try again.
    pub(crate) fn back_on(&mut self, now: Instant) {
        while self.backing_off.first().is_some_and(|(at, _)| *at <= now) {
            let (_, jid) = self.backing_off.pop_first().expect("there is a first");
            if let Some(chat) = self.chats.get_mut(&jid) {
                chat.backing_off = false;
                self.freed |= !chat.is_busy();
            }
            self.call_in(&jid);
        }
    }

    /// When there is something to do even though nothing happens.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let ack = self.unacked.first_key_value().map(|(_, (at, _))| *at);
        let retry = self.backing_off.first().map(|(at, _)| *at);
        ack.into_iter().chain(retry).min()
    }

    /// How many more messages may be claimed now; 0 for none.
    pub(crate) fn room(&self) -> usize {
        let free = MAX_UNSENT.saturating_sub(self.unsent);
        if free < MIN_CLAIM { 0 } else { (free / 4).clamp(MIN_CLAIM, MAX_CLAIM) }
    }

    /// The chats that get no more messages for now.
    pub(crate) fn busy(&self) -> Vec<Jid> {
        self.chats.iter().filter(|(_, chat)| chat.is_busy()).map(|(jid, _)| jid.clone()).collect()
    }

    /// Whether a chat stopped being busy since the last call.
    pub(crate) fn take_freed(&mut self) -> bool {
        std::mem::take(&mut self.freed)
    }

    /// Whether nothing is on its way.
    pub(crate) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Whether something was sent and is not answered yet.
    pub(crate) fn waits_for_acks(&self) -> bool {
        !self.unacked.is_empty()
    }

    /// Empties the outbox, because the connection is gone. No send call may be under way. Returns the messages that
    /// were never sent: they go back to the queue. The others stay `sending` and come in again with
    /// [`Outbox::add_again`]; how often they were tried is remembered.
    #[must_use]
    pub(crate) fn stand_down(&mut self) -> Vec<Item> {
        debug_assert_eq!(self.sending, 0, "send calls end before the outbox is emptied");
        let known = std::mem::take(&mut self.known);
        let waiting = self.chats.drain().flat_map(|(_, chat)| chat.queue);
        let unacked = std::mem::take(&mut self.unacked).into_values().map(|(_, item)| item);
        let (sent, never_sent): (Vec<_>, Vec<_>) = waiting
            .chain(unacked)
            .filter(|item| known.get(&item.message.outgoing.wa_id) != Some(&Place::Settled))
            .partition(|item| item.tries.sends > 0);
        // Those of before, too: it may be emptied again before there is a connection.
        let mut earlier_tries = std::mem::take(&mut self.earlier_tries);
        earlier_tries.extend(sent.into_iter().map(|item| (item.message.outgoing.wa_id, item.tries)));
        *self = Self { sent_so_far: self.sent_so_far, earlier_tries, ..Self::default() };
        never_sent
    }

    /// Takes out the messages that wait to be handed out and that `hopeless` says will not be for long.
    #[must_use]
    pub(crate) fn take_waiting(&mut self, hopeless: impl Fn(&Item) -> bool) -> Vec<Item> {
        let mut taken = Vec::new();
        for chat in self.chats.values_mut() {
            let (out, stay): (VecDeque<_>, _) = std::mem::take(&mut chat.queue).into_iter().partition(&hopeless);
            chat.queue = stay;
            taken.extend(out);
        }
        self.unsent -= taken.len();
        for item in &taken {
            self.forget(item);
        }
        self.turn.retain(|jid| self.chats.contains_key(jid));
        taken
    }

    /// The messages that are next in their chats and whose chats have their turn.
    pub(crate) fn in_turn(&self) -> impl Iterator<Item = &Item> {
        self.turn.iter().filter_map(|jid| self.chats.get(jid)?.queue.front())
    }

    /// The chats whose first contact is not settled.
    pub(crate) fn strangers(&self) -> Vec<Jid> {
        self.strangers.values().cloned().collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The chat of a message that is a first contact and not settled.
    pub(crate) fn stranger(&self, wa_id: &WaMessageId) -> Option<Jid> {
        self.strangers.get(wa_id).cloned()
    }

    /// The session knows this chat now: what waits for it is no first contact any more.
    pub(crate) fn met(&mut self, jid: &Jid) {
        if let Some(chat) = self.chats.get_mut(jid) {
            for item in &mut chat.queue {
                item.message.first_contact = false;
            }
        }
        self.freed |= self.strangers.extract_if(|_, chat| chat == jid).count() > 0;
    }

    /// Puts a message in its chat's queue, in the order of acceptance.
    fn insert(&mut self, item: Item) {
        if item.message.first_contact {
            self.strangers.insert(item.message.outgoing.wa_id.clone(), item.message.outgoing.to.clone());
        }
        self.known.insert(item.message.outgoing.wa_id.clone(), Place::Waiting);
        let jid = item.message.outgoing.to.clone();
        let queue = &mut self.chats.entry(jid.clone()).or_default().queue;
        self.first_expiry = self.first_expiry.into_iter().chain(item.message.expires_at).min();
        let position = queue.partition_point(|other| other.message.seq < item.message.seq);
        queue.insert(position, item);
        self.unsent += 1;
        self.call_in(&jid);
    }

    /// Gives a chat its turn, if it has something to send and may.
    fn call_in(&mut self, jid: &Jid) {
        if let Some(chat) = self.chats.get_mut(jid)
            && chat.is_ready()
        {
            chat.in_turn = true;
            self.turn.push_back(jid.clone());
        }
    }

    /// Ends a message's send call; `true` where it was answered meanwhile.
    fn leave_send_call(&mut self, item: &Item) -> bool {
        self.unsent -= 1;
        self.sending -= 1;
        if let Some(chat) = self.chats.get_mut(&item.message.outgoing.to) {
            chat.sending = false;
        }
        self.call_in(&item.message.outgoing.to);
        self.known.get(&item.message.outgoing.wa_id) == Some(&Place::Settled)
    }

    /// One message of a chat is unanswered no more; `true` where the chat had to wait for that.
    fn lower_unacked(&mut self, jid: &Jid) -> bool {
        let Some(chat) = self.chats.get_mut(jid) else { return false };
        let was_full = chat.unacked >= CHAT_WINDOW;
        chat.unacked -= 1;
        self.call_in(jid);
        was_full
    }

    fn forget(&mut self, item: &Item) {
        self.known.remove(&item.message.outgoing.wa_id);
        self.freed |= self.strangers.remove(&item.message.outgoing.wa_id).is_some();
        if self.chats.get(&item.message.outgoing.to).is_some_and(Chat::is_empty) {
            self.chats.remove(&item.message.outgoing.to);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
