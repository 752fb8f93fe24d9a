//! Who tried to log in, when, and what came of it: how a test sees a reconnect storm.

use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

/// Attempts kept per account; the oldest go first.
const MAX_PER_ACCOUNT: usize = 256;
/// Accounts kept; attempts of further ones only count.
const MAX_ACCOUNTS: usize = 20_000;
/// The window of the peaks.
const WINDOW_MS: u64 = 1000;

/// One attempt to log in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoginAttempt {
    /// Milliseconds since the simulator started (the clock that a test moves has no part in it).
    pub at: u64,
    /// The companion's device number.
    pub device: u16,
    /// `success`, or `failure 401` and the like.
    pub outcome: String,
    /// The version the client called itself; absent when it named none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The device had another live socket, which was replaced.
    pub replaced: bool,
}

/// What is known of logins.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoginBook {
    /// Attempts by account number, oldest first; at most 256 each.
    pub accounts: BTreeMap<String, Vec<LoginAttempt>>,
    /// Attempts in all.
    pub attempts: u64,
    /// Attempts that succeeded.
    pub successes: u64,
    /// Logins that replaced a live socket of the same device.
    pub replaced: u64,
    /// Connections that were refused before anybody could say who they are.
    pub refused_connects: u64,
    /// Most attempts within any one second.
    pub peak_attempts_per_second: usize,
    /// Most successes within any one second.
    pub peak_successes_per_second: usize,
    /// Most opened (or refused) connections within any one second.
    pub peak_connects_per_second: usize,
}

#[derive(Default)]
struct Rate {
    recent: VecDeque<u64>,
    peak: usize,
}

impl Rate {
    fn note(&mut self, at: u64) {
        while self.recent.front().is_some_and(|first| at.saturating_sub(*first) >= WINDOW_MS) {
            self.recent.pop_front();
        }
        self.recent.push_back(at);
        self.peak = self.peak.max(self.recent.len());
    }
}

#[derive(Default)]
struct Book {
    accounts: BTreeMap<String, VecDeque<LoginAttempt>>,
    totals: [u64; 4],
    attempts: Rate,
    successes: Rate,
    connects: Rate,
}

/// See the module's head.
pub(crate) struct Logins {
    started: Instant,
    book: Mutex<Book>,
}

impl Default for Logins {
    fn default() -> Self {
        Self { started: Instant::now(), book: Mutex::default() }
    }
}

impl Logins {
    fn book(&self) -> (u64, MutexGuard<'_, Book>) {
        let book = crate::account::lock(&self.book);
        // Read under the lock, so that times only grow.
        (u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX), book)
    }

    pub(crate) fn connected(&self, refused: bool) {
        let (at, mut book) = self.book();
        book.connects.note(at);
        book.totals[3] += u64::from(refused);
    }

    /// Notes an attempt; `failure` is the reason it was refused with.
    pub(crate) fn note(&self, pn: &str, device: u16, version: Option<String>, failure: Option<u16>, replaced: bool) {
        let (at, mut book) = self.book();
        book.attempts.note(at);
        book.totals[0] += 1;
        if failure.is_none() {
            book.successes.note(at);
            book.totals[1] += 1;
        }
        book.totals[2] += u64::from(replaced);
        if !book.accounts.contains_key(pn) && book.accounts.len() >= MAX_ACCOUNTS {
            return;
        }
        let outcome = failure.map_or_else(|| "success".to_owned(), |reason| format!("failure {reason}"));
        let attempts = book.accounts.entry(pn.to_owned()).or_default();
        if attempts.len() >= MAX_PER_ACCOUNT {
            attempts.pop_front();
        }
        attempts.push_back(LoginAttempt { at, device, outcome, version, replaced });
    }

    pub(crate) fn report(&self, only: Option<&str>) -> LoginBook {
        let (_, book) = self.book();
        let accounts = book.accounts.iter().filter(|(pn, _)| only.is_none_or(|only| only == *pn));
        LoginBook {
            accounts: accounts.map(|(pn, attempts)| (pn.clone(), attempts.iter().cloned().collect())).collect(),
            attempts: book.totals[0],
            successes: book.totals[1],
            replaced: book.totals[2],
            refused_connects: book.totals[3],
            peak_attempts_per_second: book.attempts.peak,
            peak_successes_per_second: book.successes.peak,
            peak_connects_per_second: book.connects.peak,
        }
    }

    pub(crate) fn reset(&self) {
        *self.book().1 = Book::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_counts_one_second_and_no_more() {
        let mut rate = Rate::default();
        for at in [0, 10, 999, 1000, 1009, 1010, 5000] {
            rate.note(at);
        }
        // 10, 999, 1000, 1009.
        assert_eq!(rate.peak, 4);
    }
}
