//! The handle on a running simulator.

use crate::account::Account;
use crate::certs;
use crate::clock::Clock;
use crate::config::Config;
use crate::core::Core;
use crate::faults::{Faults, ReceiptForm};
use crate::network::{ConnectionFault, ConnectionRule, Network, Scope};
use crate::pairing::{self, PairError, Paired, code};
use crate::persist;
use crate::phone::Job;
use crate::phone::view::{ChatView, SeenReceipt, ShownChat, Totals};
use crate::{devices, server, tls};
use anyhow::Context as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use wacore_binary::CompactString;

/// A running simulator. Dropping it stops it.
pub struct Sim {
    core: Arc<Core>,
    addr: SocketAddr,
    certificate: Option<String>,
    serving: Option<JoinHandle<()>>,
}

impl Sim {
    /// Binds, makes keys and starts serving.
    pub async fn start(mut config: Config) -> anyhow::Result<Self> {
        let listener =
            TcpListener::bind(config.listen).await.with_context(|| format!("cannot listen on {}", config.listen))?;
        let addr = listener.local_addr().context("no local address")?;
        config.listen = addr;
        let tls = if config.tls { Some(tls::make()?) } else { None };
        let (acceptor, certificate) = tls.map(|tls| (tls.acceptor, tls.certificate)).unzip();
        let clock = Clock::default();
        let saved = config.state.as_deref().map(persist::read).transpose()?.flatten();
        let identity = match &saved {
            Some(saved) => certs::Identity::restore(&saved.identity)?,
            None => certs::Identity::generate(&clock).context("cannot sign the certificate chain")?,
        };
        let core = Core::new(config, clock, identity);
        if let Some(saved) = saved {
            persist::restore(&core, saved)?;
        }
        let serving = tokio::spawn(server::run(Arc::clone(&core), listener, acceptor));
        Ok(Self { core, addr, certificate, serving: Some(serving) })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The WebSocket's URL.
    pub fn ws_url(&self) -> String {
        let scheme = if self.certificate.is_some() { "wss" } else { "ws" };
        format!("{scheme}://{}/ws/chat", self.addr)
    }

    /// The public root key that signs the certificate chain.
    pub fn root_key(&self) -> [u8; 32] {
        self.core.identity.root_public
    }

    /// The TLS certificate as PEM, when TLS is on.
    pub fn certificate_pem(&self) -> Option<&str> {
        self.certificate.as_deref()
    }

    /// The clock stanzas are stamped by; it can be moved.
    pub fn clock(&self) -> &Clock {
        &self.core.clock
    }

    /// The rules by which the server misbehaves.
    pub fn faults(&self) -> &Faults {
        &self.core.faults
    }

    /// Questions who is on WhatsApp, and the numbers asked about in them.
    pub fn lookups(&self) -> (u64, u64) {
        let stats = &self.core.stats;
        (stats.lookups.load(Ordering::Relaxed), stats.numbers_looked_up.load(Ordering::Relaxed))
    }

    /// How connections misbehave, and who logged in.
    pub fn network(&self) -> &Network {
        &self.core.network
    }

    /// The account with a number, made with a phone and no companion if there is none.
    pub fn account(&self, pn: &str) -> AccountHandle {
        AccountHandle { core: Arc::clone(&self.core), account: self.core.account(pn.trim_start_matches('+'), None) }
    }

    /// The account with a number, if there is one.
    pub fn find_account(&self, pn: &str) -> Option<AccountHandle> {
        let account = self.core.directory.by_pn(pn.trim_start_matches('+'))?;
        Some(AccountHandle { core: Arc::clone(&self.core), account })
    }

    /// A phone scans a companion's QR code; without a number the account follows from the push name.
    pub async fn scan_qr(&self, qr: &str, phone: Option<&str>) -> Result<Paired, PairError> {
        pairing::scan_qr(&self.core, qr, phone).await
    }

    /// Somebody types a pair code on a phone.
    pub async fn enter_code(&self, code: &str, phone: Option<&str>) -> Result<Paired, PairError> {
        code::enter(&self.core, phone, code).await
    }

    /// Writes everything to [`Config::state`], and goes on.
    pub async fn save(&self) -> anyhow::Result<()> {
        let path = self.core.config.state.as_deref().context("there is no file to save to")?;
        let saved = persist::save(&self.core, path, false).await;
        self.core.works.resume();
        saved
    }

    /// Stops listening, saves if there is a file for it, and ends every connection. What was taken in before is
    /// finished and answered; what comes meanwhile is neither taken nor answered.
    pub async fn shutdown(mut self) {
        if let Some(path) = self.core.config.state.as_deref() {
            self.core.network.stop_listening();
            if let Err(error) = persist::save(&self.core, path, true).await {
                tracing::error!(%error, "the state is not saved whole");
            }
            self.core.network.hang_up().await;
        }
        self.core.shutdown.cancel();
        self.core.works.resume();
        if let Some(serving) = self.serving.take() {
            // It only ends by the token, and a panic has been reported already.
            let _ = serving.await;
        }
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.core.shutdown.cancel();
    }
}

/// An account and its phone.
#[derive(Clone)]
pub struct AccountHandle {
    core: Arc<Core>,
    account: Arc<Account>,
}

impl AccountHandle {
    /// The number, digits only.
    pub fn pn(&self) -> &str {
        &self.account.pn
    }

    /// The LID, digits only.
    pub fn lid(&self) -> &str {
        &self.account.lid
    }

    /// Replaces the other forms of the number under which a lookup finds the account: the one without Brazil's
    /// ninth digit, say. A form that is an account too finds that account.
    pub fn set_aliases(&self, aliases: &[&str]) {
        let aliases = aliases.iter().map(|alias| CompactString::from(alias.trim_start_matches('+')));
        self.core.directory.set_aliases(&self.account, aliases);
    }

    /// Says whether the account is migrated to LID; the other namespace is then refused. `None` takes both.
    pub fn set_lid_migrated(&self, migrated: Option<bool>) {
        self.account.namespace().set_migrated(migrated);
    }

    /// From now on nobody is told the account's number: it is seen by its LID alone.
    pub fn set_hide_pn(&self, hide: bool) {
        self.account.namespace().set_hides_number(hide);
    }

    /// Numbers of the linked companions.
    pub fn devices(&self) -> Vec<u16> {
        self.account.devices().iter().map(|device| device.id).collect()
    }

    /// Stanzas that wait for a companion's receipt.
    pub fn queued(&self, device: u16) -> usize {
        self.account.device(device).map_or(0, |device| device.mailbox().len())
    }

    /// Whether a companion is logged in.
    pub fn is_connected(&self, device: u16) -> bool {
        self.account.device(device).is_some_and(|device| device.mailbox().is_connected())
    }

    /// What the phone was shown, by chat.
    pub fn chats(&self) -> Vec<ChatView> {
        self.account.phone().view().chats()
    }

    /// How much the phone was shown.
    pub fn totals(&self) -> Totals {
        self.account.phone().view().totals()
    }

    /// Receipts the phone was told about.
    pub fn receipts(&self) -> Vec<SeenReceipt> {
        self.account.phone().view().receipts()
    }

    /// Whether the phone sends delivery receipts; overrides the configuration.
    pub fn set_receipts(&self, on: bool) {
        self.account.phone().set_receipts(on);
    }

    /// The phone sends a text; gives the message's id.
    pub async fn send_text(&self, to: &str, text: &str) -> anyhow::Result<String> {
        let (done, outcome) = oneshot::channel();
        let _at_work = self.core.works.enter().await;
        let job = Job::SendText { to: to.trim_start_matches('+').into(), text: text.to_owned(), id: None, done };
        self.account.phone().post(job).await;
        outcome.await.context("the phone is gone")?.map_err(|why| anyhow::anyhow!(why))
    }

    /// The phone's owner reads what is unread, in one chat or everywhere; gives how much that was.
    pub async fn read(&self, chat: Option<&str>) -> usize {
        let (done, count) = oneshot::channel();
        let _at_work = self.core.works.enter().await;
        let job = Job::Read { chat: chat.map(CompactString::from), ids: None, done };
        self.account.phone().post(job).await;
        count.await.unwrap_or(0)
    }

    /// What the phone was shown, in short: per chat the ids in order of first showing.
    pub fn shown(&self) -> Vec<ShownChat> {
        self.account.phone().view().shown(None)
    }

    /// The phone claims that it could not read a message it was shown: it sends the `count`th retry receipt for it,
    /// as from its number, its LID or a companion. From the second on they carry its keys. False when it was never
    /// shown the message.
    pub async fn ask_again(&self, chat: &str, id: &str, form: Option<ReceiptForm>, count: u32) -> bool {
        let (done, outcome) = oneshot::channel();
        let _at_work = self.core.works.enter().await;
        let job = Job::AskAgain { chat: chat.into(), id: id.into(), form, count, done };
        self.account.phone().post(job).await;
        outcome.await.unwrap_or(false)
    }

    /// Adds a pretend companion, which decrypts and sends receipts; gives its number.
    pub fn add_device(&self) -> anyhow::Result<u16> {
        Ok(devices::add_played(&self.core, &self.account)?.id)
    }

    /// What a pretend companion was shown; `None` when there is no such device or a client plays it.
    pub fn chats_of(&self, device: u16) -> Option<Vec<ChatView>> {
        Some(self.account.player(device)?.view().chats())
    }

    /// How much a pretend companion was shown.
    pub fn totals_of(&self, device: u16) -> Option<Totals> {
        Some(self.account.player(device)?.view().totals())
    }

    /// The phone's owner unlinks a companion; false when there is no such device.
    pub fn unlink(&self, device: u16) -> bool {
        devices::unlink(&self.core, &self.account, device)
    }

    /// Something goes wrong with the account's connections, from now on or for a number of logins; gives the
    /// number by which [`Network::remove`] takes it back.
    pub fn connection_fault(&self, fault: ConnectionFault, times: Option<u32>) -> u64 {
        let rule = ConnectionRule::new(fault, Scope::account(&self.account.pn));
        self.core.network.add(ConnectionRule { times, ..rule })
    }

    /// Cuts a companion's socket; false when it has none.
    pub fn cut(&self, device: u16) -> bool {
        let Some(device) = self.account.device(device) else {
            return false;
        };
        let mailbox = device.mailbox();
        mailbox.outbox().is_some_and(|outbox| {
            outbox.cut();
            true
        })
    }
}
