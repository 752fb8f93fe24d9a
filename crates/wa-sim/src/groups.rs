//! Groups.

use crate::account::Account;
use crate::core::Core;
use crate::phone::Incoming;
use crate::relay::{Envelope, Sender};
use std::sync::Arc;
use wacore_binary::Jid;

/// The groups that exist.
#[derive(Default)]
pub(crate) struct Groups;

impl Groups {
    pub(crate) fn jid_of(&self, _chat: &str) -> Option<Jid> {
        None
    }

    pub(crate) fn members(&self, _group: &Jid) -> Vec<Arc<Account>> {
        Vec::new()
    }
}

pub(crate) fn fan_out(
    _core: &Core,
    _sender: &Sender<'_>,
    _envelope: &Envelope<'_, '_>,
) -> Result<Vec<(Arc<Account>, Incoming)>, u16> {
    Err(404)
}

pub(crate) fn answer(
    _core: &Core,
    _session: &crate::session::Session,
    _iq: &wacore_binary::NodeRef<'_>,
    id: &str,
) -> wacore_binary::Node {
    crate::stanza::iq_result(id, Vec::new())
}
