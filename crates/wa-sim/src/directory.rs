//! Who exists: accounts by number and by LID.

mod saved;

pub(crate) use saved::SavedNames;

use crate::account::Account;
use crate::crypto;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use wacore_binary::{CompactString, Jid};

/// Digits behind the prefix of a derived number.
const DERIVED_DIGITS: u64 = 1_000_000_000;
/// Derived numbers look like German mobile numbers: 13 digits, valid for every E.164 check.
const DERIVED_PREFIX: &str = "4915";

#[derive(Default)]
struct Index {
    pns: HashMap<CompactString, Arc<Account>>,
    lids: HashMap<CompactString, Arc<Account>>,
    /// Accounts that were derived from a name.
    names: HashMap<String, Arc<Account>>,
    /// Other forms of a number under which a lookup finds its account.
    aliases: HashMap<CompactString, Arc<Account>>,
}

/// See the module's head.
#[derive(Default)]
pub(crate) struct Directory {
    index: RwLock<Index>,
}

impl Directory {
    /// The account a JID names, whatever its device.
    pub(crate) fn find(&self, jid: &Jid) -> Option<Arc<Account>> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        if jid.server.is_lid_family() {
            index.lids.get(&jid.user).cloned()
        } else if jid.server.is_pn_family() {
            index.pns.get(&jid.user).cloned()
        } else {
            None
        }
    }

    /// The account with a number.
    pub(crate) fn by_pn(&self, pn: &str) -> Option<Arc<Account>> {
        self.index.read().unwrap_or_else(PoisonError::into_inner).pns.get(pn).cloned()
    }

    /// The account with a number, made by `make` (which is given its LID) when there is none. The
    /// flag says whether it is new.
    pub(crate) fn ensure(&self, pn: &str, make: impl FnOnce(CompactString) -> Account) -> (Arc<Account>, bool) {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = index.pns.get(pn) {
            return (Arc::clone(account), false);
        }
        let lid = (0..u32::MAX)
            .map(|attempt| lid_for(pn, attempt))
            .find(|lid| !index.lids.contains_key(lid))
            .expect("there are more candidates than accounts fit into memory");
        let account = Arc::new(make(lid.clone()));
        index.pns.insert(pn.into(), Arc::clone(&account));
        index.lids.insert(lid, Arc::clone(&account));
        (account, true)
    }

    /// The account that a lookup of a number finds: the one that has it, or else the one it is another form of.
    pub(crate) fn look_up(&self, pn: &str) -> Option<Arc<Account>> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        index.pns.get(pn).or_else(|| index.aliases.get(pn)).cloned()
    }

    /// Whether a JID is another form of somebody's number, and nobody's own.
    pub(crate) fn is_alias(&self, jid: &Jid) -> bool {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        jid.server.is_pn_family() && index.aliases.contains_key(&jid.user) && !index.pns.contains_key(&jid.user)
    }

    /// The other forms of an account's number, sorted.
    pub(crate) fn aliases(&self, account: &Account) -> Vec<CompactString> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let mine = index.aliases.iter().filter(|(_, owner)| owner.pn == account.pn);
        let mut aliases: Vec<_> = mine.map(|(alias, _)| alias.clone()).collect();
        aliases.sort();
        aliases
    }

    /// Replaces the other forms of an account's number. A form that is an account too finds that account.
    pub(crate) fn set_aliases(&self, account: &Arc<Account>, aliases: impl IntoIterator<Item = CompactString>) {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        index.aliases.retain(|_, owner| owner.pn != account.pn);
        index.aliases.extend(aliases.into_iter().map(|alias| (alias, Arc::clone(account))));
    }

    /// The number that belongs to a push name: the same one every time, and a number of its own even
    /// if two names hash alike.
    pub(crate) fn number_for_name(&self, name: &str) -> CompactString {
        if is_number(name) {
            return name.trim_start_matches('+').into();
        }
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = index.names.get(name) {
            return account.pn.clone();
        }
        (0..u32::MAX)
            .map(|attempt| derived_number(name, attempt))
            .find(|pn| !index.pns.contains_key(pn))
            .expect("there are more candidates than accounts fit into memory")
    }

    /// Remembers which name an account was derived from.
    pub(crate) fn remember_name(&self, name: &str, account: &Arc<Account>) {
        self.index.write().unwrap_or_else(PoisonError::into_inner).names.insert(name.to_owned(), Arc::clone(account));
    }

    /// Every account, by number.
    pub(crate) fn all(&self) -> Vec<Arc<Account>> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let mut accounts: Vec<_> = index.pns.values().cloned().collect();
        accounts.sort_by(|a, b| a.pn.cmp(&b.pn));
        accounts
    }
}

/// Whether a text is a phone number (7 to 15 digits, a leading `+` allowed).
pub(crate) fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}

fn derived_number(name: &str, attempt: u32) -> CompactString {
    let n = hash_number(&[b"pn", &attempt.to_be_bytes(), name.as_bytes()]) % DERIVED_DIGITS;
    format!("{DERIVED_PREFIX}{n:09}").into()
}

/// LIDs are 15 digits that have nothing to do with the number.
fn lid_for(pn: &str, attempt: u32) -> CompactString {
    let n = hash_number(&[b"lid", &attempt.to_be_bytes(), pn.as_bytes()]) % 100_000_000_000_000;
    format!("2{n:014}").into()
}

fn hash_number(parts: &[&[u8]]) -> u64 {
    crypto::sha256(parts).iter().take(8).fold(0, |n, byte| (n << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_number_and_a_number_names_itself() {
        let directory = Directory::default();
        let number = directory.number_for_name("Alice");
        assert_eq!(number, directory.number_for_name("Alice"));
        assert_ne!(number, directory.number_for_name("alice"));
        assert!(is_number(&number), "{number}");
        assert_eq!(directory.number_for_name("+4915112345678"), "4915112345678");
        assert!(!is_number("12345") && !is_number("+49 151 1234567") && !is_number(""));
    }
}
