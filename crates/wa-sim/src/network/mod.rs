//! Misbehaviour of connections: silence, deafness, cuts, refused logins and connects, slow links; and
//! the book of logins by which a test counts reconnects.
//!
//! Rules are looked at when somebody logs in, and turned into the state of each connection's
//! [`Gate`]; what flows through a connection then costs one atomic read.

mod gate;
mod logins;
mod rules;

pub(crate) use gate::{Gate, Muted, Verdict};
pub use logins::{LoginAttempt, LoginBook};
pub(crate) use rules::Version;
pub use rules::{ConnectionFault, ConnectionRule, Failure, Link, Refuse, Refusing, Scope, StreamError};

use crate::account::lock;
use crate::outbox::Outbox;
use crate::stanza;
use gate::{Mode, Speed};
use logins::Logins;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

/// How long the last words of a shutdown may take.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A connection, from its upgrade to its end.
pub(crate) struct Connection {
    id: u64,
    pub(crate) gate: Arc<Gate>,
    pub(crate) closed: CancellationToken,
    who: OnceLock<(String, u16)>,
    outbox: OnceLock<Arc<Outbox>>,
    /// What a rule did to it when it logged in, and which rule that was.
    struck: Mutex<Option<(u64, Mode)>>,
}

impl Connection {
    pub(crate) fn set_outbox(&self, outbox: &Arc<Outbox>) {
        // A connection has one, and sets it once.
        let _ = self.outbox.set(Arc::clone(outbox));
    }
}

/// A rule in force.
struct Standing {
    id: u64,
    rule: ConnectionRule,
}

#[derive(Default)]
struct Rules {
    faults: Vec<Standing>,
    links: Vec<Link>,
    last_id: u64,
}

/// What a login is met with.
#[derive(Default)]
pub(crate) struct Met {
    pub(crate) failure: Option<Failure>,
    pub(crate) stream_error: Option<StreamError>,
}

/// See the module's head.
pub struct Network {
    /// Rules or links exist, so logins have to be compared with them.
    any: AtomicBool,
    rules: Mutex<Rules>,
    connections: Mutex<HashMap<u64, Arc<Connection>>>,
    next_connection: AtomicU64,
    logins: Logins,
    min_version: Mutex<Option<Version>>,
    refusing: watch::Sender<Option<Refuse>>,
    /// How many connections there are.
    count: watch::Sender<usize>,
    this: Weak<Network>,
}

impl Network {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            any: AtomicBool::new(false),
            rules: Mutex::default(),
            connections: Mutex::default(),
            next_connection: AtomicU64::new(1),
            logins: Logins::default(),
            min_version: Mutex::default(),
            refusing: watch::Sender::new(None),
            count: watch::Sender::new(0),
            this: this.clone(),
        })
    }

    /// Adds a rule, and gives the number it is removed by.
    pub fn add(&self, rule: ConnectionRule) -> u64 {
        let for_ms = rule.for_ms;
        let id = {
            let mut rules = lock(&self.rules);
            rules.last_id += 1;
            let id = rules.last_id;
            rules.faults.push(Standing { id, rule });
            id
        };
        self.apply();
        self.later(for_ms, move |network| {
            network.remove(id);
        });
        id
    }

    /// Takes a rule back, and with it what it did to connections; false when it was gone already.
    pub fn remove(&self, id: u64) -> bool {
        let was_there = {
            let mut rules = lock(&self.rules);
            let before = rules.faults.len();
            rules.faults.retain(|standing| standing.id != id);
            rules.faults.len() < before
        };
        for connection in self.connections() {
            lock(&connection.struck).take_if(|(by, _)| *by == id);
        }
        self.apply();
        was_there
    }

    /// Everything is well again: no rules, no slow links, connects are accepted, any version will do.
    pub fn clear(&self) {
        {
            let mut rules = lock(&self.rules);
            rules.faults.clear();
            rules.links.clear();
        }
        for connection in self.connections() {
            lock(&connection.struck).take();
        }
        *lock(&self.min_version) = None;
        self.accept();
        self.apply();
    }

    /// The rules in force, with the uses they have left.
    pub fn list(&self) -> Vec<(u64, ConnectionRule)> {
        lock(&self.rules).faults.iter().map(|standing| (standing.id, standing.rule.clone())).collect()
    }

    /// Sets how fast somebody's connections are, those that are up included. A link without hindrance
    /// takes the setting back.
    pub fn set_link(&self, link: Link) {
        let mut rules = lock(&self.rules);
        rules.links.retain(|other| other.scope != link.scope);
        if link.latency_ms > 0 || link.jitter_ms > 0 || link.bytes_per_sec > 0 {
            rules.links.push(link);
        }
        drop(rules);
        self.apply();
    }

    /// The links that are hindered.
    pub fn links(&self) -> Vec<Link> {
        lock(&self.rules).links.clone()
    }

    /// Cuts sockets: at once, or with the client's n-th stanza from now. Gives how many are concerned.
    pub fn close(&self, scope: &Scope, after: Option<u32>) -> usize {
        let meant = self.meant(scope);
        for connection in &meant {
            match after {
                None => connection.closed.cancel(),
                Some(stanzas) => connection.gate.end_after(stanzas),
            }
        }
        meant.len()
    }

    /// Sends a stream error to those who are connected; gives how many that are.
    pub fn stream_error(&self, scope: &Scope, error: &StreamError) -> usize {
        let meant = self.meant(scope);
        meant.iter().filter_map(|connection| connection.outbox.get()).map(|outbox| send(outbox, error)).count()
    }

    /// Refuses connects from now on. Those who are connected stay.
    pub fn refuse(&self, refuse: Refuse) {
        self.refusing.send_replace(Some(refuse));
        self.later(refuse.for_ms, move |network| {
            network.refusing.send_if_modified(|current| {
                let same = *current == Some(refuse);
                if same {
                    *current = None;
                }
                same
            });
        });
    }

    /// Nobody gets in any more.
    pub(crate) fn stop_listening(&self) {
        self.refusing.send_replace(Some(Refuse { how: Refusing::NotListening, for_ms: None }));
    }

    /// Ends every connection once what is queued for it was written.
    pub(crate) async fn hang_up(&self) {
        for connection in self.connections() {
            match connection.outbox.get() {
                Some(outbox) => outbox.hang_up(),
                None => connection.closed.cancel(),
            }
        }
        let mut left = self.count.subscribe();
        // A client that does not read must not hold up the end.
        let _ = tokio::time::timeout(LAST_WORDS, left.wait_for(|left| *left == 0)).await;
    }

    /// Accepts connects again.
    pub fn accept(&self) {
        self.refusing.send_replace(None);
    }

    /// How connects are refused, if they are.
    pub fn refusing(&self) -> Option<Refuse> {
        *self.refusing.borrow()
    }

    pub(crate) fn watch_refusing(&self) -> watch::Receiver<Option<Refuse>> {
        self.refusing.subscribe()
    }

    /// Clients that call themselves less are outdated (`failure 405`), for logins and for pairings. False when
    /// the text is no version (`2.3000.1043857760`); without one any client will do.
    pub fn set_min_version(&self, version: Option<&str>) -> bool {
        let parsed = version.map(Version::parse);
        if parsed == Some(None) {
            return false;
        }
        *lock(&self.min_version) = parsed.flatten();
        true
    }

    /// The lowest version that is let in.
    pub fn min_version(&self) -> Option<String> {
        lock(&self.min_version).map(|version| version.to_string())
    }

    /// Who tried to log in, when, and what came of it.
    pub fn logins(&self, pn: Option<&str>) -> LoginBook {
        self.logins.report(pn.map(|pn| pn.trim_start_matches('+')))
    }

    /// Forgets logins and their peaks.
    pub fn reset_logins(&self) {
        self.logins.reset();
    }

    pub(crate) fn login_book(&self) -> &Logins {
        &self.logins
    }

    /// The refusal of a client that is too old.
    pub(crate) fn too_old(&self, version: Option<Version>) -> bool {
        let least = *lock(&self.min_version);
        least.is_some_and(|least| version.is_none_or(|version| version < least))
    }

    /// A connection came up; who it is shows later.
    pub(crate) fn open(&self, closed: CancellationToken) -> Arc<Connection> {
        let connection = Arc::new(Connection {
            id: self.next_connection.fetch_add(1, Ordering::Relaxed),
            gate: Arc::default(),
            closed,
            who: OnceLock::new(),
            outbox: OnceLock::new(),
            struck: Mutex::default(),
        });
        self.logins.connected(false);
        let mut connections = lock(&self.connections);
        connections.insert(connection.id, Arc::clone(&connection));
        self.count.send_replace(connections.len());
        drop(connections);
        if self.any.load(Ordering::Acquire) {
            self.set_up(&connection);
        }
        connection
    }

    /// The connection is over.
    pub(crate) fn shut(&self, connection: &Connection) {
        let mut connections = lock(&self.connections);
        connections.remove(&connection.id);
        self.count.send_replace(connections.len());
    }

    /// Somebody wants to log in: which rules strike. Must come before anything is said to them.
    pub(crate) fn meet(&self, connection: &Connection, pn: &str, device: u16) -> Met {
        let _ = connection.who.set((pn.to_owned(), device));
        let mut met = Met::default();
        if !self.any.load(Ordering::Acquire) {
            return met;
        }
        let who = connection.who.get();
        if let Some((_, ConnectionFault::Failure(failure))) =
            self.strike(who, |fault| matches!(fault, ConnectionFault::Failure(_)))
        {
            met.failure = Some(failure);
            return met;
        }
        let struck = self.strike(who, |fault| fault.is_standing() || *fault == ConnectionFault::DeafLogin);
        if let Some((id, fault)) = struck {
            *lock(&connection.struck) = Some((id, mode_of(&fault)));
        }
        if let Some((_, ConnectionFault::CloseAfter { stanzas })) =
            self.strike(who, |fault| matches!(fault, ConnectionFault::CloseAfter { .. }))
        {
            connection.gate.end_after(stanzas);
        }
        if let Some((_, ConnectionFault::StreamError(error))) =
            self.strike(who, |fault| matches!(fault, ConnectionFault::StreamError(_)))
        {
            met.stream_error = Some(error);
        }
        self.set_up(connection);
        met
    }

    /// The first rule for somebody that `applies`, used once.
    fn strike(
        &self,
        who: Option<&(String, u16)>,
        applies: impl Fn(&ConnectionFault) -> bool,
    ) -> Option<(u64, ConnectionFault)> {
        let mut rules = lock(&self.rules);
        let at =
            rules.faults.iter().position(|Standing { rule, .. }| applies(&rule.fault) && rule.scope.covers(who))?;
        let standing = &mut rules.faults[at];
        let struck = (standing.id, standing.rule.fault.clone());
        if let Some(times) = &mut standing.rule.times {
            *times = times.saturating_sub(1);
            if *times == 0 {
                rules.faults.remove(at);
            }
        }
        Some(struck)
    }

    /// Brings one connection's gate to what is in force for it.
    fn set_up(&self, connection: &Connection) {
        let who = connection.who.get();
        let rules = lock(&self.rules);
        let standing = rules
            .faults
            .iter()
            .find(|Standing { rule, .. }| rule.fault.is_standing() && rule.times.is_none() && rule.scope.covers(who));
        let mode = match standing {
            Some(standing) => mode_of(&standing.rule.fault),
            None => lock(&connection.struck).map_or(Mode::Open, |(_, mode)| mode),
        };
        let link = rules.links.iter().filter(|link| link.scope.covers(who)).max_by_key(|link| link.scope.weight());
        connection.gate.set_mode(mode);
        connection.gate.set_speed(link.map_or(Speed::default(), |link| Speed {
            latency_ms: link.latency_ms,
            jitter_ms: link.jitter_ms,
            bytes_per_sec: link.bytes_per_sec,
        }));
    }

    /// Brings every connection to what is in force.
    fn apply(&self) {
        {
            let rules = lock(&self.rules);
            self.any.store(!rules.faults.is_empty() || !rules.links.is_empty(), Ordering::Release);
        }
        for connection in self.connections() {
            self.set_up(&connection);
        }
    }

    fn connections(&self) -> Vec<Arc<Connection>> {
        lock(&self.connections).values().cloned().collect()
    }

    fn meant(&self, scope: &Scope) -> Vec<Arc<Connection>> {
        let mut meant = self.connections();
        meant.retain(|connection| scope.covers(connection.who.get()) || *scope == Scope::default());
        meant
    }

    fn later(&self, for_ms: Option<u64>, what: impl FnOnce(&Self) + Send + 'static) {
        let Some(for_ms) = for_ms else {
            return;
        };
        let this = self.this.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(for_ms)).await;
            if let Some(network) = this.upgrade() {
                what(&network);
            }
        });
    }
}

fn mode_of(fault: &ConnectionFault) -> Mode {
    match fault {
        ConnectionFault::Silence { pong: false } => Mode::Silent,
        ConnectionFault::Silence { pong: true } => Mode::SilentButPonging,
        ConnectionFault::DeafLogin => Mode::DeafLogin,
        ConnectionFault::Deaf => Mode::Deaf,
        _ => Mode::Open,
    }
}

/// Sends a stream error, and closes behind it if it says so.
pub(crate) fn send(outbox: &Outbox, error: &StreamError) {
    let mut node = NodeBuilder::new("stream:error");
    if let Some(code) = error.code {
        node = node.attr("code", u32::from(code));
    }
    let mut children: Vec<Node> = Vec::new();
    if let Some(kind) = &error.conflict {
        children.push(NodeBuilder::new("conflict").attr("type", kind.as_str()).build());
    }
    if let Some(id) = &error.ack {
        children.push(NodeBuilder::new("ack").attr("class", "message").attr("id", id.as_str()).build());
    }
    if let Some(name) = &error.child {
        children.push(NodeBuilder::new_dynamic(name.clone()).build());
    }
    let node = if children.is_empty() { node.build() } else { node.children(children).build() };
    outbox.push(stanza::encode(&node));
    if error.close {
        outbox.finish();
    }
}

/// The `<failure>` of a rule.
pub(crate) fn failure(failure: &Failure) -> Node {
    let ban = failure.reason == 402;
    let mut node = stanza::failure(failure.reason);
    if let Some(code) = failure.code.or(ban.then_some(101)) {
        node.attrs.insert("code", code.to_string());
    }
    if let Some(expire) = failure.expire.or(ban.then_some(3600)) {
        node.attrs.insert("expire", expire.to_string());
    }
    if let Some(message) = &failure.message {
        node.attrs.insert("message", message.clone());
    }
    node
}
