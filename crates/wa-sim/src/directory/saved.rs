//! Who is who outlives the process.

use super::Directory;
use crate::account::Account;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, PoisonError};

/// Push names and the numbers of the accounts that were derived from them.
#[derive(Serialize, Deserialize)]
pub(crate) struct SavedNames {
    names: Vec<(String, String)>,
    /// Other forms of numbers, and whose they are.
    aliases: Vec<(String, String)>,
}

impl Directory {
    pub(crate) fn save_names(&self) -> SavedNames {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let names = index.names.iter().map(|(name, account)| (name.clone(), account.pn.to_string()));
        let aliases = index.aliases.iter().map(|(alias, account)| (alias.to_string(), account.pn.to_string()));
        SavedNames { names: names.collect(), aliases: aliases.collect() }
    }

    /// Adds an account as it was, with its own LID.
    pub(crate) fn restore_account(&self, account: &Arc<Account>) {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        index.pns.insert(account.pn.clone(), Arc::clone(account));
        index.lids.insert(account.lid.clone(), Arc::clone(account));
    }

    pub(crate) fn restore_names(&self, saved: SavedNames) {
        for (name, pn) in saved.names {
            if let Some(account) = self.by_pn(&pn) {
                self.remember_name(&name, &account);
            }
        }
        for (alias, pn) in saved.aliases {
            if let Some(account) = self.by_pn(&pn) {
                let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
                index.aliases.insert(alias.as_str().into(), account);
            }
        }
    }
}
