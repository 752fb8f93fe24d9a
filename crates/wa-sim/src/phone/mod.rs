//! The pretend phone: device 0 of an account. A pretend companion is one too, with a number and a proof that the phone
//! has linked it.
//!
//! It is a real Signal endpoint with an identity, a bundle and sessions of its own, and it keeps book
//! of what it was shown, so that a test can say "every message was shown once, in order, readable".
//! All its work runs in one task per account ([`worker`]), fed by a bounded queue: whoever sends to a
//! phone that is behind waits, which slows that sender's connection and nobody else's.

pub(crate) mod counters;
pub(crate) mod keys;
pub(crate) mod outgoing;
pub(crate) mod signal;
pub(crate) mod view;
pub(crate) mod worker;

use crate::account::{Device, lock};
use crate::faults::ReceiptForm;
use crate::persist::Blob;
use crate::prekeys::Bundle;
use crate::works::Works;
use bytes::Bytes;
use keys::{PhoneKeys, SavedKeys};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::{mpsc, oneshot};
use view::{SavedView, View};
use wacore_binary::{CompactString, Jid};
use worker::{SavedState, State};

/// Jobs that may wait for one phone.
const QUEUE: usize = 4096;

/// How a ciphertext is wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EncKind {
    PreKey,
    Signal,
    SenderKey,
}

impl EncKind {
    /// Reads the `type` of an `<enc>`.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "pkmsg" => Some(Self::PreKey),
            "msg" => Some(Self::Signal),
            "skmsg" => Some(Self::SenderKey),
            _ => None,
        }
    }
}

/// A message for the phone.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) id: CompactString,
    /// Number of the sending account; sessions are kept by it, whichever namespace was used.
    pub(crate) from_pn: CompactString,
    /// The sending device as stamped on the stanza.
    pub(crate) from: Jid,
    /// Number of the other side, or the group's id.
    pub(crate) chat: CompactString,
    /// The group's address, for messages in one.
    pub(crate) group: Option<Jid>,
    /// Copies of what a companion of the account itself sent.
    pub(crate) from_me: bool,
    /// Seconds since the epoch.
    pub(crate) t: u64,
    pub(crate) encs: Vec<(EncKind, Bytes)>,
    /// How often the server delivers it again.
    pub(crate) again: u32,
}

/// A retry receipt for something the phone sent.
#[derive(Debug)]
pub(crate) struct RetryRequest {
    pub(crate) id: CompactString,
    pub(crate) from_pn: CompactString,
    pub(crate) device: u16,
    pub(crate) count: u32,
    pub(crate) bundle: Option<crate::prekeys::Bundle>,
}

/// What the phone is to do.
pub(crate) enum Job {
    /// Show a message.
    Incoming(Incoming),
    /// Take note of receipts for what it (or a companion) sent.
    Receipt { ids: Vec<CompactString>, from: Jid, kind: Option<CompactString> },
    /// Send a text to a number.
    SendText { to: CompactString, text: String, id: Option<String>, done: oneshot::Sender<Result<String, String>> },
    /// Send read receipts for what it was shown: in one chat or in all, up to the given ids.
    Read { chat: Option<CompactString>, ids: Option<Vec<CompactString>>, done: oneshot::Sender<usize> },
    /// Claim that a message it was shown could not be read; says whether there is such a message.
    AskAgain {
        chat: CompactString,
        id: CompactString,
        form: Option<ReceiptForm>,
        count: u32,
        done: oneshot::Sender<bool>,
    },
    /// Give a freshly linked companion the app-state key and an empty history.
    Welcome(Arc<Device>),
    /// Encrypt something again for a device that could not read it.
    Retry(RetryRequest),
    /// Say what is worth keeping over a restart; nothing when the phone never did anything.
    Save(oneshot::Sender<anyhow::Result<Option<SavedState>>>),
}

/// The handle by which everyone else reaches the phone.
pub(crate) struct Phone {
    jobs: mpsc::Sender<Job>,
    keys: Arc<PhoneKeys>,
    view: Arc<Mutex<View>>,
    device: u16,
    /// Companions only: what other clients check before they write to it.
    proof: Option<Vec<u8>>,
    /// 0: as configured, 1: off, 2: on.
    receipts: AtomicU8,
    works: Arc<Works>,
}

/// What of a phone outlives the process.
#[derive(Serialize, Deserialize)]
pub(crate) struct SavedPhone {
    device: u16,
    proof: Option<Blob>,
    keys: SavedKeys,
    view: SavedView,
    receipts: u8,
    state: Option<SavedState>,
}

impl Phone {
    /// A phone with fresh keys, and the queue its worker reads.
    pub(crate) fn new(works: &Arc<Works>) -> (Self, mpsc::Receiver<Job>) {
        Self::with(PhoneKeys::generate(), 0, None, works)
    }

    /// A companion with keys of its own.
    pub(crate) fn companion(
        keys: PhoneKeys,
        device: u16,
        proof: Vec<u8>,
        works: &Arc<Works>,
    ) -> (Self, mpsc::Receiver<Job>) {
        Self::with(keys, device, Some(proof), works)
    }

    fn with(keys: PhoneKeys, device: u16, proof: Option<Vec<u8>>, works: &Arc<Works>) -> (Self, mpsc::Receiver<Job>) {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let (keys, view, receipts) = (Arc::new(keys), Arc::default(), AtomicU8::new(0));
        (Self { jobs, keys, view, device, proof, receipts, works: Arc::clone(works) }, queue)
    }

    pub(crate) fn save(&self, state: Option<SavedState>) -> SavedPhone {
        SavedPhone {
            device: self.device,
            proof: self.proof.as_deref().map(Blob::of),
            keys: self.keys.save(),
            view: self.view().save(),
            receipts: self.receipts.load(Ordering::Relaxed),
            state,
        }
    }

    /// A phone as it was saved, its queue, and what its worker goes on with.
    pub(crate) fn restore(
        saved: SavedPhone,
        works: &Arc<Works>,
    ) -> anyhow::Result<(Self, mpsc::Receiver<Job>, Option<State>)> {
        let proof = saved.proof.map(|proof| proof.0);
        let (phone, queue) = Self::with(PhoneKeys::restore(&saved.keys)?, saved.device, proof, works);
        *phone.view() = View::restore(saved.view)?;
        phone.receipts.store(saved.receipts, Ordering::Relaxed);
        let state = saved.state.map(|state| State::restore(&phone.keys, state)).transpose()?;
        Ok((phone, queue, state))
    }

    /// 0, or the companion's number.
    pub(crate) fn device(&self) -> u16 {
        self.device
    }

    /// A bundle for one sender.
    pub(crate) fn bundle(&self) -> Bundle {
        Bundle { device_identity: self.proof.clone(), ..self.keys.bundle() }
    }

    pub(crate) fn keys(&self) -> &Arc<PhoneKeys> {
        &self.keys
    }

    pub(crate) fn view(&self) -> MutexGuard<'_, View> {
        lock(&self.view)
    }

    /// Waits for room in the queue. False when the phone is gone.
    pub(crate) async fn post(&self, job: Job) -> bool {
        self.works.begin();
        let taken = self.jobs.send(job).await.is_ok();
        if !taken {
            self.works.end();
        }
        taken
    }

    /// Does not wait; for callers that must not (a phone that waited for another phone that waits for
    /// it would never end).
    pub(crate) fn try_post(&self, job: Job) -> bool {
        self.works.begin();
        let taken = self.jobs.try_send(job).is_ok();
        if !taken {
            self.works.end();
        }
        taken
    }

    /// Whether this phone sends delivery receipts.
    pub(crate) fn sends_receipts(&self, default: bool) -> bool {
        match self.receipts.load(Ordering::Relaxed) {
            1 => false,
            2 => true,
            _ => default,
        }
    }

    /// Overrides the configured default for this phone.
    pub(crate) fn set_receipts(&self, on: bool) {
        self.receipts.store(if on { 2 } else { 1 }, Ordering::Relaxed);
    }
}
