//! Which of its two addresses, number or LID, an account goes by in one-to-one chats.
//!
//! WhatsApp moves accounts from number to LID one by one. A migrated account addresses people by LID and is
//! addressed by LID; one that is not, by number; the server refuses the other namespace (whatsapp-rust issues 941 and
//! 943, Evolution API issue 2629). An account of which nobody has said either takes both, as it came.

use crate::account::Account;
use crate::relay::{Envelope, Sender};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use wacore_binary::Server;

/// What is said of an account.
#[derive(Default)]
pub(crate) struct Namespace {
    /// 0: nothing, 1: not migrated, 2: migrated.
    migrated: AtomicU8,
    hidden: AtomicBool,
}

impl Namespace {
    pub(crate) fn migrated(&self) -> Option<bool> {
        match self.migrated.load(Ordering::Relaxed) {
            0 => None,
            said => Some(said == 2),
        }
    }

    pub(crate) fn set_migrated(&self, migrated: Option<bool>) {
        self.migrated.store(migrated.map_or(0, |migrated| 1 + u8::from(migrated)), Ordering::Relaxed);
    }

    /// Whether nobody is told the account's number.
    pub(crate) fn hides_number(&self) -> bool {
        self.hidden.load(Ordering::Relaxed)
    }

    pub(crate) fn set_hides_number(&self, hidden: bool) {
        self.hidden.store(hidden, Ordering::Relaxed);
    }
}

/// The namespace in which `of` appears to `to`, when a stanza was addressed in `asked`.
pub(crate) fn seen(of: &Account, to: &Account, asked: Server) -> Server {
    if of.pn == to.pn {
        return asked;
    }
    match to.namespace().migrated() {
        _ if of.namespace().hides_number() => Server::Lid,
        Some(true) => Server::Lid,
        Some(false) => Server::Pn,
        None => asked,
    }
}

/// Whether a companion writes to somebody by an address its account must not use. Writing to oneself, and a message sent
/// again to the one device that asked for it, are no chats.
pub(crate) fn is_wrong(sender: &Sender<'_>, target: &Account, envelope: &Envelope<'_, '_>) -> bool {
    let Some(migrated) = sender.account.namespace().migrated() else {
        return false;
    };
    let again = envelope.node.get_children_by_tag("enc").any(|enc| enc.get_attr("count").is_some());
    let wrong = match (migrated, envelope.to.is_lid()) {
        (true, by_lid) => !by_lid,
        // There is no other way to reach somebody whose number nobody knows.
        (false, by_lid) => by_lid && !target.namespace().hides_number(),
    };
    wrong && !again && sender.device != 0 && sender.account.pn != target.pn
}
