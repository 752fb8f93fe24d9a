//! A session's line in the pretend network: whether it is linked and connected, and what waits for it.
//!
//! Events are posted under the line's lock, so that they arrive in the order in which they happened;
//! an [`EventSink`] never blocks on them. Incoming texts are handed over by a task that exists while there are any.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::sync::Semaphore;
use waypost_domain::{
    ConnectionId, EndReason, Env, Inbound, Jid, JidServer, MessageEvent, PhoneNumber, SessionEvent, SessionId,
};

use super::{
    keeper::Keeper,
    mailbox::Reply,
    network::unpoisoned,
    numbers::own_number,
    script::Step,
    timer::{Entry, Flight, MAX_IN_FLIGHT_PER_SESSION, Told, Turn, UNKNOWN},
};
use crate::{EventSink, SendFailure};

/// What pretend phones call themselves.
const PUSH_NAME: &str = "Sandbox phone";

/// Who answers in a pretend group.
const GROUP_MEMBER: &str = "15550100000@s.whatsapp.net";

/// How soon an incoming text that was not stored comes again.
const REDELIVERY: Duration = Duration::from_secs(1);

/// How many incoming texts are handed over at once at most.
const INBOUND_BATCH: usize = 100;

/// The line of one session.
pub(super) struct Line {
    pub(super) session: SessionId,
    pub(super) keeper: Arc<Keeper>,
    env: Env,
    state: Mutex<State>,
    /// Places for messages under way.
    pub(super) places: Arc<Semaphore>,
}

/// What changes on a line.
pub(super) struct State {
    /// Where events go: the newest link's sink.
    sink: Option<Arc<dyn EventSink>>,
    /// Which link that is; an older one has no say any more.
    link: LinkNumber,
    account: Option<PhoneNumber>,
    connection: Connection,
    /// Which connection is or was the last; acknowledgements belong to one.
    id: ConnectionId,
    /// Messages whose next receipt or answer came while the session was not connected.
    waiting: Vec<Entry>,
    /// Incoming texts that are not stored yet.
    inbox: VecDeque<Arriving>,
    handing_over: bool,
}

/// An incoming text that is not stored yet, and the message that it answers.
type Arriving = (Inbound, Flight);

/// Names a link of a line.
pub(super) type LinkNumber = u64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Connection {
    /// Closed, or never opened.
    Closed,
    /// Open.
    Open,
    /// Lost; it comes back by itself.
    Lost,
}

impl Line {
    pub(super) fn new(session: SessionId, keeper: Arc<Keeper>, env: Env) -> Self {
        let state = State {
            sink: None,
            link: 0,
            account: None,
            connection: Connection::Closed,
            id: UNKNOWN,
            waiting: Vec::new(),
            inbox: VecDeque::new(),
            handing_over: false,
        };
        let places = Arc::new(Semaphore::new(MAX_IN_FLIGHT_PER_SESSION));
        Self { session, keeper, env, state: Mutex::new(state), places }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        unpoisoned(&self.state)
    }

    /// A new link takes the line over. `account` is what the gateway's row knows the session is linked to.
    pub(super) fn attach(&self, sink: Arc<dyn EventSink>, account: Option<PhoneNumber>) -> LinkNumber {
        let mut state = self.state();
        state.sink = Some(sink);
        state.account = account;
        state.connection = Connection::Closed;
        state.link += 1;
        state.link
    }

    /// Opens the connection, linking the session to `number` (its own pretend number where none is given) where it is
    /// not linked, and hands over what waited. Changes nothing where it is open.
    pub(super) fn connect(self: &Arc<Self>, link: LinkNumber, number: Option<&PhoneNumber>) {
        let mut state = self.state();
        if state.link != link || state.connection == Connection::Open {
            return;
        }
        self.session_event(&state, SessionEvent::Connecting);
        if state.account.is_none() {
            let phone_number = number.cloned().unwrap_or_else(|| own_number(self.session));
            state.account = Some(phone_number.clone());
            let push_name = Some(PUSH_NAME.to_owned());
            self.session_event(&state, SessionEvent::Linked { phone_number, lid: None, push_name });
        }
        self.open(&mut state);
    }

    fn open(self: &Arc<Self>, state: &mut State) {
        state.connection = Connection::Open;
        state.id.0 += 1;
        self.session_event(
            state,
            SessionEvent::Connected { connection: state.id, push_name: Some(PUSH_NAME.to_owned()) },
        );
        let mut waiting = std::mem::take(&mut state.waiting);
        for flight in waiting.iter_mut().map(|entry| &mut entry.flight).filter(|flight| flight.sent_over == UNKNOWN) {
            flight.sent_over = state.id;
        }
        self.keeper.timer.resume(waiting);
        self.hand_over(state);
    }

    /// Closes the connection without a word.
    pub(super) fn close(&self, link: LinkNumber) {
        let mut state = self.state();
        if state.link == link {
            state.connection = Connection::Closed;
        }
    }

    /// A link is gone: closes the connection and lets its sink go.
    pub(super) fn detach(&self, link: LinkNumber) {
        let mut state = self.state();
        if state.link == link {
            state.connection = Connection::Closed;
            state.sink = None;
        }
    }

    /// The session was logged out over a link.
    pub(super) fn log_out(&self, link: LinkNumber) {
        let mut state = self.state();
        if state.link == link {
            state.unlink();
        }
    }

    /// The session's credentials are forgotten.
    pub(super) fn retire(&self) {
        self.state().unlink();
    }

    /// Whether the session is linked.
    pub(super) fn is_linked(&self) -> bool {
        self.state().account.is_some()
    }

    /// A message was under way before the process started: it waits for the session's connection.
    pub(super) fn wait(&self, entry: Entry) {
        self.state().waiting.push(entry);
    }

    /// The connection that is open. It stays so while the guard is held.
    pub(super) fn connection(&self, link: LinkNumber) -> Result<(MutexGuard<'_, State>, ConnectionId), SendFailure> {
        let state = self.state();
        if state.link == link && state.connection == Connection::Open {
            let id = state.id;
            Ok((state, id))
        } else if state.account.is_none() {
            Err(SendFailure::SessionGone { reason: "the sandbox session is not linked".to_owned() })
        } else {
            Err(SendFailure::Park { reason: "the sandbox session is not connected".to_owned() })
        }
    }

    /// A step of a message's script happens now. What the recipient has to say waits while the session is away; what
    /// belongs to a connection dies with it.
    pub(super) fn happen(self: &Arc<Self>, mut entry: Entry, turn: &mut Turn) {
        let mut state = self.state();
        if entry.step.is_owed() && state.connection != Connection::Open {
            if state.account.is_some() {
                state.waiting.push(entry);
            }
            return;
        }
        match &entry.step {
            Step::Receipt(kind) => {
                let Flight { wa_id, to, .. } = &entry.flight;
                let (wa_ids, participant) = (vec![wa_id.clone()], Some(writer(to)));
                let at = self.env.now();
                self.message_event(&state, MessageEvent::Receipt { wa_ids, participant, kind: *kind, at });
                entry.flight.told = self.told(&state);
                turn.told(entry.flight.told.clone());
            }
            Step::Reply(reply) => {
                let text = self.incoming(&entry.flight.to, reply.clone());
                state.inbox.push_back((text, entry.flight));
                self.hand_over(&mut state);
                return;
            }
            step => self.happen_to_connection(&mut state, &entry.flight, step),
        }
        turn.go_on(entry);
    }

    fn happen_to_connection(self: &Arc<Self>, state: &mut State, flight: &Flight, step: &Step) {
        let Flight { sent_over, wa_id, .. } = flight;
        let at = self.env.now();
        let same_connection = state.connection == Connection::Open && state.id == *sent_over;
        match step {
            Step::Ack if same_connection => self.message_event(state, MessageEvent::Acked { wa_id: wa_id.clone(), at }),
            Step::Refuse { error, code } if same_connection => {
                let reason = format!("ack error {error}");
                self.message_event(state, MessageEvent::Refused { wa_id: wa_id.clone(), code: *code, reason, at });
            }
            Step::LoseConnection if same_connection => {
                state.connection = Connection::Lost;
                let reason = "the pretend connection broke".to_owned();
                self.session_event(state, SessionEvent::ConnectionLost { reason });
            }
            Step::Reconnect if state.connection == Connection::Lost && state.id == *sent_over => {
                self.session_event(state, SessionEvent::Connecting);
                self.open(state);
            }
            Step::End(reason) if same_connection => {
                state.connection = Connection::Closed;
                if matches!(reason, EndReason::LoggedOut { .. }) {
                    state.account = None;
                }
                self.session_event(state, SessionEvent::Ended(reason.clone()));
            }
            _ => {}
        }
    }

    /// How to learn that what was posted last is on disk.
    fn told(&self, state: &State) -> Option<Told> {
        let sink = Arc::clone(state.sink.as_ref()?);
        let mark = sink.mark(self.session);
        Some(Told { sink, session: self.session, mark })
    }

    fn message_event(&self, state: &State, event: MessageEvent) {
        if let Some(sink) = &state.sink {
            sink.message_event(self.session, event);
        }
    }

    fn session_event(&self, state: &State, event: SessionEvent) {
        if let Some(sink) = &state.sink {
            sink.session_event(self.session, event);
        }
    }

    /// A text that comes in from `chat`.
    fn incoming(&self, chat: &Jid, reply: Reply) -> Inbound {
        Inbound {
            wa_id: reply.wa_id,
            chat: chat.clone(),
            sender: writer(chat),
            sender_alt: None,
            from_me: false,
            push_name: Some(PUSH_NAME.to_owned()),
            sent_at: self.env.now(),
            content: reply.content,
        }
    }

    /// Starts the task that hands over incoming texts, where there are any and it is not under way.
    fn hand_over(self: &Arc<Self>, state: &mut State) {
        if !state.handing_over && !state.inbox.is_empty() && state.connection == Connection::Open {
            state.handing_over = true;
            tokio::spawn(Arc::clone(self).hand_over_all());
        }
    }

    async fn hand_over_all(self: Arc<Self>) {
        while let Some((sink, batch)) = self.next_batch() {
            let texts = batch.iter().map(|(text, _)| text.clone()).collect();
            if sink.inbound(self.session, texts).await.is_ok() {
                let answered = batch.into_iter().map(|(_, flight)| flight).collect();
                self.keeper.timer.settle(Vec::new(), answered).await;
            } else {
                tracing::warn!(session.id = %self.session, "texts from the sandbox were not stored; they come again");
                drop(sink);
                self.state().put_back(batch);
                tokio::time::sleep(REDELIVERY).await;
            }
        }
    }

    fn next_batch(&self) -> Option<(Arc<dyn EventSink>, Vec<Arriving>)> {
        let mut state = self.state();
        let open = state.connection == Connection::Open;
        if let Some(sink) = state.sink.clone().filter(|_| open && !state.inbox.is_empty()) {
            let size = state.inbox.len().min(INBOUND_BATCH);
            return Some((sink, state.inbox.drain(..size).collect()));
        }
        state.handing_over = false;
        None
    }
}

/// Who answers in `chat`: the other person, or the one member of a group.
fn writer(chat: &Jid) -> Jid {
    if chat.server() == JidServer::Group { GROUP_MEMBER.parse().expect("the constant is a JID") } else { chat.clone() }
}

impl State {
    /// The device is linked no longer: nothing that waited arrives any more.
    fn unlink(&mut self) {
        self.connection = Connection::Closed;
        self.account = None;
        self.waiting = Vec::new();
        self.inbox = VecDeque::new();
    }

    /// Texts that were not stored wait again, before all others.
    fn put_back(&mut self, batch: Vec<Arriving>) {
        if self.account.is_some() {
            batch.into_iter().rev().for_each(|arriving| self.inbox.push_front(arriving));
        }
    }
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").field("session", &self.session).finish_non_exhaustive()
    }
}
