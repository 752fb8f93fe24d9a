use proptest::prelude::*;
use waypost_domain::{Content, Env, Outgoing};

use super::*;

const LIMITS: Limits = Limits { ack_timeout: Duration::from_secs(30), send_attempts: 3 };

fn jid(chat: u8) -> Jid {
    format!("91987654{chat:04}@s.whatsapp.net").parse().unwrap()
}

pub(crate) fn message(seq: i64, chat: u8) -> OutboxMessage {
    let env = Env::system();
    OutboxMessage {
        id: env.new_id(),
        seq,
        tenant_id: env.new_id(),
        outgoing: Outgoing {
            wa_id: format!("3EB0{seq}").into(),
            to: jid(chat),
            content: Content::Text { text: "hi".to_owned() },
        },
        expires_at: None,
        first_contact: false,
    }
}

fn messages(chats: &[u8]) -> Vec<OutboxMessage> {
    (0..).zip(chats).map(|(seq, chat)| message(seq, *chat)).collect()
}

fn handed_out(outbox: &mut Outbox) -> Vec<Item> {
    std::iter::from_fn(|| outbox.next()).collect()
}

fn seqs(items: &[Item]) -> Vec<i64> {
    items.iter().map(|item| item.message.seq).collect()
}

#[test]
fn a_chat_has_one_message_in_a_send_call_and_chats_go_side_by_side() {
    let mut outbox = Outbox::default();
    outbox.add(messages(&[1, 1, 2, 1, 2]), None);
    let mut first = handed_out(&mut outbox);
    assert_eq!(seqs(&first), [0, 2]);
    let now = Instant::now();
    outbox.sent(first.remove(0), now, LIMITS);
    assert_eq!(seqs(&handed_out(&mut outbox)), [1]);
}

#[test]
fn a_failing_chat_holds_up_no_other_and_keeps_its_order() {
    let mut outbox = Outbox::default();
    outbox.add(messages(&[1, 1, 2]), None);
    let now = Instant::now();
    let later = now + Duration::from_secs(1);
    for item in handed_out(&mut outbox) {
        if item.message.seq == 0 { outbox.again(item, Some(later)) } else { outbox.sent(item, now, LIMITS) }
    }
    assert_eq!(outbox.busy(), [jid(1)]);
    outbox.back_on(now);
    assert!(outbox.next().is_none(), "the pause is not over");
    assert_eq!(outbox.next_deadline(), Some(later));
    outbox.back_on(later);
    assert!(outbox.take_freed());
    assert_eq!(seqs(&handed_out(&mut outbox)), [0]);
}

#[test]
fn what_expires_while_it_waits_is_taken_out_and_the_rest_goes_on() {
    let at = Timestamp::from_secs(100);
    let mut outbox = Outbox::default();
    let mut all = messages(&[1, 1, 1, 2]);
    for index in [1, 3] {
        all[index].expires_at = Some(at);
    }
    all[2].expires_at = Some(at.plus(Duration::from_millis(1)));
    outbox.add(all, None);
    let first = outbox.next().unwrap();
    assert_eq!(outbox.first_expiry(), Some(at));
    assert!(outbox.expired(at.minus(Duration::from_millis(1))).is_empty());
    let mut expired = seqs(&outbox.expired(at));
    expired.sort_unstable();
    assert_eq!(expired, [1, 3]);
    assert_eq!(outbox.first_expiry(), Some(at.plus(Duration::from_millis(1))));
    // The second chat had its turn still to come, and has nothing now.
    assert!(outbox.next().is_none());
    outbox.close(&first);
    let last = outbox.next().unwrap();
    assert_eq!(seqs(std::slice::from_ref(&last)), [2]);
    outbox.close(&last);
    assert!(outbox.is_empty());
    assert_eq!(outbox.room(), Outbox::default().room(), "nothing of it takes room any more");
}

#[test]
fn what_was_answered_has_not_expired_and_what_was_sent_does_not_go_out_again() {
    let at = Timestamp::from_secs(100);
    let mut outbox = Outbox::default();
    let mut all = messages(&[1, 2]);
    for message in &mut all {
        message.expires_at = Some(at);
    }
    outbox.add(all, None);
    let now = Instant::now();
    let items = handed_out(&mut outbox);
    for item in items.clone() {
        outbox.sent(item, now, LIMITS);
    }
    assert!(outbox.expired(at).is_empty(), "their acknowledgements are awaited");
    assert!(outbox.overdue(now + LIMITS.ack_timeout, LIMITS).is_empty());
    outbox.settle(&items[0].message.outgoing.wa_id);
    let failed = outbox.expired(at);
    assert_eq!(seqs(&failed), [1]);
    assert_eq!(failed[0].tries.sends, 1);
    assert!(outbox.next().is_none() && outbox.is_empty());
}

#[test]
fn an_unanswered_message_goes_out_again_first_and_fails_after_its_attempts() {
    let mut outbox = Outbox::default();
    outbox.add(messages(&[1, 1]), None);
    let mut now = Instant::now();
    for attempt in 1..=LIMITS.send_attempts {
        let item = outbox.next().unwrap();
        assert_eq!((item.message.seq, item.message.outgoing.wa_id.as_str()), (0, "3EB00"));
        outbox.sent(item, now, LIMITS);
        assert!(outbox.overdue(now, LIMITS).is_empty(), "the time is not over");
        now += LIMITS.ack_timeout;
        let exhausted = outbox.overdue(now, LIMITS);
        assert_eq!(seqs(&exhausted), if attempt == LIMITS.send_attempts { vec![0] } else { vec![] });
    }
    assert_eq!(seqs(&handed_out(&mut outbox)), [1], "the next message of the chat goes on");
}

#[test]
fn an_answer_during_the_send_call_or_the_wait_is_not_forgotten() {
    let mut outbox = Outbox::default();
    outbox.add(messages(&[1, 2]), None);
    let now = Instant::now();
    let mut items = handed_out(&mut outbox);
    let (first, second) = (items.remove(0), items.remove(0));
    outbox.settle(&first.message.outgoing.wa_id);
    outbox.sent(first, now, LIMITS);
    assert!(!outbox.waits_for_acks());

    let wa_id = second.message.outgoing.wa_id.clone();
    outbox.again(second, Some(now));
    outbox.settle(&wa_id);
    outbox.back_on(now);
    assert!(outbox.next().is_none(), "an answered message is not sent again");
    assert!(outbox.is_empty());
}

#[test]
fn what_never_left_goes_back_and_what_left_comes_in_again_with_its_tries() {
    let mut outbox = Outbox::default();
    outbox.add(messages(&[1, 1]), None);
    let now = Instant::now();
    let item = outbox.next().unwrap();
    outbox.sent(item, now, LIMITS);
    assert_eq!(seqs(&outbox.stand_down()), [1]);
    assert!(outbox.is_empty());

    assert!(outbox.add_again(1, vec![message(0, 1)]).is_empty());
    assert_eq!(outbox.loaded_for(), Some(1));
    assert_eq!(outbox.next().unwrap().tries.sends, 1);
}

#[test]
fn a_message_that_ends_every_connection_is_sent_so_often_and_no_more() {
    let mut outbox = Outbox::default();
    outbox.add(messages(&[1]), None);
    let mut sends = 0;
    loop {
        let item = outbox.next().unwrap();
        outbox.sent(item, Instant::now(), LIMITS);
        sends += 1;
        // Again, as long as there is no connection.
        assert!(outbox.stand_down().is_empty() && outbox.stand_down().is_empty());
        if !outbox.add_again(sends.into(), vec![message(0, 1)]).is_empty() {
            break;
        }
    }
    assert_eq!(sends, MAX_SENDS);
}

#[test]
fn a_chat_that_nobody_answers_leaves_the_window_to_others() {
    let mut outbox = Outbox::default();
    outbox.add((0..200).map(|seq| message(seq, 1)).collect(), None);
    let now = Instant::now();
    let mut sent = 0;
    while let Some(item) = outbox.next() {
        outbox.sent(item, now, LIMITS);
        sent += 1;
    }
    assert_eq!(sent, CHAT_WINDOW);
    outbox.add(vec![message(200, 2)], None);
    assert_eq!(seqs(&handed_out(&mut outbox)), [200]);
}

#[test]
fn a_message_that_may_not_go_keeps_its_turn_and_holds_up_no_other_chat() {
    let mut outbox = Outbox::default();
    outbox.add(messages(&[1, 2, 1, 3]), None);
    let not_to_chat_1 = |item: &Item| item.message.outgoing.to != jid(1);
    let gone: Vec<_> = std::iter::from_fn(|| outbox.next_if(not_to_chat_1)).collect();
    assert_eq!(seqs(&gone), [1, 3]);
    assert!(outbox.next_if(not_to_chat_1).is_none());
    assert_eq!(seqs(&handed_out(&mut outbox)), [0]);
}

#[test]
fn a_stranger_is_one_until_something_of_theirs_is_settled() {
    let stranger = |seq, chat| OutboxMessage { first_contact: true, ..message(seq, chat) };
    let mut outbox = Outbox::default();
    outbox.add(vec![stranger(0, 1), stranger(1, 1), stranger(2, 2)], None);
    assert_eq!(outbox.strangers(), [jid(1), jid(2)]);
    let now = Instant::now();
    let items = handed_out(&mut outbox);
    for item in items {
        outbox.sent(item, now, LIMITS);
    }
    let met = outbox.stranger(&"3EB00".to_owned().into()).unwrap();
    outbox.settle(&"3EB00".to_owned().into());
    outbox.met(&met);
    assert!(outbox.take_freed());
    assert_eq!(outbox.strangers(), [jid(2)]);
    let next = outbox.next().unwrap();
    assert_eq!((next.message.seq, next.message.first_contact), (1, false));
}

#[test]
fn what_will_not_go_for_long_is_taken_out_and_the_rest_goes_on() {
    let mut outbox = Outbox::default();
    outbox.add(messages(&[1, 2, 1, 3]), None);
    let taken = outbox.take_waiting(|item| item.message.outgoing.to == jid(1) || item.message.outgoing.to == jid(2));
    assert_eq!(taken.len(), 3);
    assert_eq!(seqs(&handed_out(&mut outbox)), [3]);
    outbox.add(vec![message(4, 1)], None);
    assert_eq!(seqs(&handed_out(&mut outbox)), [4]);
}

#[test]
fn stuck_chats_fill_the_room_only_slowly() {
    let mut outbox = Outbox::default();
    let (mut seq, mut chats) = (0, 0);
    while outbox.room() > 0 {
        let room = i64::try_from(outbox.room()).unwrap();
        outbox.add((seq..seq + room).map(|seq| message(seq, chats)).collect(), None);
        seq += room;
        chats += 1;
    }
    assert!(chats >= 10, "{chats} chats filled the room");
    assert!(outbox.unsent <= MAX_UNSENT);
}

#[derive(Debug, Clone)]
enum Step {
    Add(Vec<u8>),
    Start,
    Finish(usize, End),
    Answer(usize),
    Wait(u64),
    LoseConnection,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Sent,
    Again,
    AgainLater,
    Closed,
}

fn step() -> impl Strategy<Value = Step> {
    let end =
        prop_oneof![4 => Just(End::Sent), 1 => Just(End::Again), 1 => Just(End::AgainLater), 1 => Just(End::Closed)];
    prop_oneof![
        prop::collection::vec(0_u8..6, 1..20).prop_map(Step::Add),
        Just(Step::Start),
        (any::<prop::sample::Index>(), end).prop_map(|(index, end)| Step::Finish(index.index(64), end)),
        any::<prop::sample::Index>().prop_map(|index| Step::Answer(index.index(256))),
        (0_u64..40).prop_map(Step::Wait),
        Just(Step::LoseConnection),
    ]
}

/// A driver and a database that remember what they were told.
struct World {
    outbox: Outbox,
    now: Instant,
    connection: u64,
    in_call: Vec<Item>,
    /// Every message that is not done with.
    open: BTreeMap<i64, OutboxMessage>,
    /// The last message that left, by chat.
    left: HashMap<Jid, i64>,
    next_seq: i64,
}

impl World {
    fn new() -> Self {
        Self {
            outbox: Outbox::default(),
            now: Instant::now(),
            connection: 0,
            in_call: Vec::new(),
            open: BTreeMap::new(),
            left: HashMap::new(),
            next_seq: 0,
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Add(chats) => {
                let room = self.outbox.room();
                for chat in chats.into_iter().take(room) {
                    let message = message(self.next_seq, chat);
                    self.next_seq += 1;
                    self.open.insert(message.seq, message.clone());
                    self.outbox.add(vec![message], None);
                }
            }
            Step::Start => self.start(),
            Step::Finish(index, end) if !self.in_call.is_empty() => {
                let item = self.in_call.swap_remove(index % self.in_call.len());
                self.finish(item, end);
            }
            Step::Answer(index) if !self.open.is_empty() => {
                let seq = *self.open.keys().nth(index % self.open.len()).unwrap();
                // The network answers only for what it saw.
                let chat = &self.open[&seq].outgoing.to;
                if self.left.get(chat).is_some_and(|left| *left >= seq) {
                    let message = self.open.remove(&seq).unwrap();
                    self.outbox.settle(&message.outgoing.wa_id);
                }
            }
            Step::Wait(secs) => {
                self.now += Duration::from_secs(secs);
                for item in self.outbox.overdue(self.now, LIMITS) {
                    self.open.remove(&item.message.seq);
                }
                self.outbox.back_on(self.now);
            }
            Step::LoseConnection => self.lose_connection(),
            Step::Finish(..) | Step::Answer(_) => {}
        }
        self.check();
    }

    fn start(&mut self) {
        let items = handed_out(&mut self.outbox);
        self.in_call.extend(items);
    }

    fn finish(&mut self, item: Item, end: End) {
        match end {
            End::Sent => {
                let left = self.left.entry(item.message.outgoing.to.clone()).or_insert(-1);
                assert!(
                    item.tries.sends > 0 || item.message.seq > *left,
                    "a message overtook an older one of its chat"
                );
                *left = item.message.seq.max(*left);
                self.outbox.sent(item, self.now, LIMITS);
            }
            End::Again => self.outbox.again(item, None),
            End::AgainLater => {
                let at = self.now + Duration::from_secs(5);
                self.outbox.again(item, Some(at));
            }
            End::Closed => {
                self.open.remove(&item.message.seq);
                self.outbox.close(&item);
            }
        }
    }

    fn lose_connection(&mut self) {
        for item in std::mem::take(&mut self.in_call) {
            self.finish(item, End::Again);
        }
        let never_sent = self.outbox.stand_down();
        assert!(never_sent.iter().all(|item| item.tries.sends == 0 && self.open.contains_key(&item.message.seq)));
        let back: Vec<_> = never_sent.iter().map(|item| self.open[&item.message.seq].clone()).collect();
        let sending: Vec<_> = self
            .open
            .values()
            .filter(|message| never_sent.iter().all(|item| item.message.seq != message.seq))
            .cloned()
            .collect();
        self.connection += 1;
        for item in self.outbox.add_again(self.connection, sending) {
            self.open.remove(&item.message.seq);
        }
        self.outbox.add(back, None);
    }

    fn check(&self) {
        assert!(self.outbox.unsent <= MAX_UNSENT + WINDOW);
        assert!(self.outbox.unacked.len() + self.outbox.sending <= WINDOW);
        assert_eq!(self.outbox.sending, self.in_call.len());
        let chats: std::collections::HashSet<_> = self.in_call.iter().map(|item| &item.message.outgoing.to).collect();
        assert_eq!(chats.len(), self.in_call.len(), "a chat has one message in a send call");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn order_and_bounds_hold_and_nothing_is_lost_whatever_happens(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        for step in steps {
            world.take(step);
        }
        // From here on everything goes well: each message leaves and is answered, and nothing remains.
        for _ in 0..1000 {
            world.take(Step::Wait(5));
            world.start();
            for item in std::mem::take(&mut world.in_call) {
                world.finish(item, End::Sent);
            }
            for _ in 0..world.open.len() {
                world.take(Step::Answer(0));
            }
            if world.outbox.is_empty() {
                break;
            }
        }
        prop_assert!(world.outbox.is_empty());
        prop_assert!(world.open.is_empty());
        prop_assert!(world.outbox.chats.is_empty() && world.outbox.turn.is_empty());
        prop_assert!(world.outbox.backing_off.is_empty() && world.outbox.unsent == 0);
    }
}
