//! What every part of a running simulator shares.

use crate::account::{Account, SavedAccount};
use crate::certs;
use crate::clock::Clock;
use crate::config::Config;
use crate::directory::Directory;
use crate::faults::Faults;
use crate::groups::Groups;
use crate::network::Network;
use crate::pairing::Pairings;
use crate::phone::worker::State;
use crate::phone::{Job, Phone, SavedPhone, worker};
use crate::works::Works;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Counters for `GET /admin/stats`.
#[derive(Default)]
pub(crate) struct Stats {
    pub(crate) connections: AtomicU64,
    pub(crate) logins: AtomicU64,
    pub(crate) messages: AtomicU64,
    pub(crate) receipts: AtomicU64,
    pub(crate) bad_stanzas: AtomicU64,
    /// Questions who is on WhatsApp.
    pub(crate) lookups: AtomicU64,
    /// Numbers asked about in them.
    pub(crate) numbers_looked_up: AtomicU64,
}

impl Stats {
    pub(crate) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// See the module's head. There is no lock around it: each part has its own.
pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) identity: certs::Identity,
    pub(crate) directory: Directory,
    pub(crate) pairings: Pairings,
    pub(crate) groups: Groups,
    pub(crate) faults: Faults,
    pub(crate) network: Arc<Network>,
    pub(crate) stats: Stats,
    pub(crate) works: Arc<Works>,
    /// Cancelled when the simulator ends; every connection's token is a child.
    pub(crate) shutdown: CancellationToken,
    ids: AtomicU64,
    this: Weak<Core>,
}

impl Core {
    pub(crate) fn new(config: Config, clock: Clock, identity: certs::Identity) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            config,
            clock,
            identity,
            directory: Directory::default(),
            pairings: Pairings::default(),
            groups: Groups::default(),
            faults: Faults::default(),
            network: Network::new(),
            stats: Stats::default(),
            works: Arc::default(),
            shutdown: CancellationToken::new(),
            ids: AtomicU64::new(1),
            this: this.clone(),
        })
    }

    /// For tasks that outlive the call that started them.
    pub(crate) fn handle(&self) -> Weak<Self> {
        self.this.clone()
    }

    /// An id for a stanza of the server's own, unique in this process.
    pub(crate) fn stanza_id(&self) -> String {
        format!("{:X}-{}", self.clock.secs(), self.ids.fetch_add(1, Ordering::Relaxed))
    }

    /// The account with a number; it comes to life with a phone if nobody had it.
    pub(crate) fn account(&self, pn: &str, push_name: Option<&str>) -> Arc<Account> {
        let mut jobs = None;
        let (account, new) = self.directory.ensure(pn, |lid| {
            let (phone, queue) = Phone::new(&self.works);
            jobs = Some(queue);
            Account::new(pn.into(), lid, push_name.unwrap_or(pn).to_owned(), Arc::new(phone))
        });
        if let (true, Some(jobs)) = (new, jobs) {
            account.namespace().set_migrated(self.config.lid_migrated);
            self.start_phone(&account, account.phone(), jobs, None);
        }
        account
    }

    /// Sets a phone, or a pretend companion, to work.
    pub(crate) fn start_phone(
        &self,
        account: &Arc<Account>,
        phone: &Arc<Phone>,
        jobs: mpsc::Receiver<Job>,
        state: Option<State>,
    ) {
        tokio::spawn(worker::run(self.this.clone(), Arc::downgrade(account), Arc::downgrade(phone), jobs, state));
    }

    /// An account as it was saved: its phone comes first, then its pretend companions.
    pub(crate) fn restore_account(&self, saved: SavedAccount, phones: Vec<SavedPhone>) -> anyhow::Result<()> {
        let mut players = Vec::new();
        let mut workers = Vec::new();
        for phone in phones {
            let (phone, jobs, state) = Phone::restore(phone, &self.works)?;
            let phone = Arc::new(phone);
            players.push(Arc::clone(&phone));
            workers.push((phone, jobs, state));
        }
        let account = Arc::new(Account::restore(saved, &players)?);
        self.directory.restore_account(&account);
        for (phone, jobs, state) in workers {
            self.start_phone(&account, &phone, jobs, state);
        }
        Ok(())
    }

    pub(crate) fn last_stanza_id(&self) -> u64 {
        self.ids.load(Ordering::Relaxed)
    }

    pub(crate) fn restore_stanza_id(&self, last: u64) {
        self.ids.store(last, Ordering::Relaxed);
    }
}
