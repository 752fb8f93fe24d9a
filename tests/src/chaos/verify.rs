//! The promises, checked: what was asked for and answered against what is true in the end.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::load::{Asked, Ledger};
use super::truth::{Inbox, Shown, Truth};
use super::{Counts, World};

/// Violations of one kind that are told in full; the rest are counted.
const TOLD: usize = 5;

/// What was found wrong, by kind.
#[derive(Debug, Default)]
pub(super) struct Violations(BTreeMap<&'static str, Vec<String>>);

impl Violations {
    pub fn add(&mut self, kind: &'static str, told: impl Into<String>) {
        self.0.entry(kind).or_default().push(told.into());
    }

    /// In sentences, the first of each kind in full.
    pub fn told(&self) -> Vec<String> {
        let mut told = Vec::new();
        for (kind, all) in &self.0 {
            told.push(format!("{}: {kind}", all.len()));
            told.extend(all.iter().take(TOLD).map(|one| format!("    {one}")));
            if all.len() > TOLD {
                told.push(format!("    … and {} more", all.len() - TOLD));
            }
        }
        told
    }
}

/// Checks everything, and counts.
pub(super) fn verify(world: &World, ledger: &Ledger, truth: &Truth) -> (Counts, Violations) {
    let mut check = Check { world, ledger, truth, counts: Counts::default(), violations: Violations::default() };
    for wrong in &ledger.wrong {
        check.violations.add("answers that should not have been", wrong.clone());
    }
    check.sessions();
    check.outbound();
    check.inbound();
    (check.counts, check.violations)
}

struct Check<'a> {
    world: &'a World,
    ledger: &'a Ledger,
    truth: &'a Truth,
    counts: Counts,
    violations: Violations,
}

impl<'a> Check<'a> {
    /// Each is connected again by itself, as the same device of the same account.
    fn sessions(&mut self) {
        for (session, devices) in self.world.sessions.iter().zip(&self.truth.devices) {
            let state = self.truth.sessions.iter().find(|state| state["id"] == session.id.as_str());
            let well = state
                .is_some_and(|state| state["status"] == "connected" && state["phoneNumber"] == session.number.as_str());
            if !well {
                self.violations.add("sessions not connected again as who they were", format!("{state:?}"));
            }
            if *devices != session.devices {
                let told = format!("{} had {:?} and has {devices:?}", session.number, session.devices);
                self.violations.add("sessions linked anew, or unlinked", told);
            }
        }
    }

    /// The rows of one direction by their text, which is unique.
    fn rows(&self, direction: &str) -> HashMap<&'a str, Vec<&'a Value>> {
        let mut rows: HashMap<&str, Vec<&Value>> = HashMap::new();
        for row in self.truth.rows.iter().filter(|row| row["direction"] == direction) {
            rows.entry(row["text"].as_str().unwrap_or_default()).or_default().push(row);
        }
        rows
    }

    fn outbound(&mut self) {
        let mut rows = self.rows("outbound");
        let asked: HashMap<&str, &Asked> = self.ledger.asked.iter().map(|asked| (asked.text.as_str(), asked)).collect();
        let mut accepted: BTreeSet<&str> = BTreeSet::new();
        for asked in &self.ledger.asked {
            let found = rows.remove(asked.text.as_str()).unwrap_or_default();
            if asked.id.is_none() {
                self.counts.unanswered += 1;
            }
            match (&asked.id, found.as_slice()) {
                (Some(id), [row]) if row["id"] == id.as_str() => {}
                (None, [_] | []) => {}
                (id, found) => {
                    let told = format!("{:?} was answered with {id:?}, and there are {found:#?}", asked.text);
                    self.violations.add("accepted messages that are not one row", told);
                }
            }
            for row in &found {
                accepted.insert(asked.text.as_str());
                self.row(row);
            }
        }
        self.counts.accepted = accepted.len();
        for row in rows.into_values().flatten() {
            self.violations.add("rows that nobody asked for", row.to_string());
        }
        for (n, phone) in self.world.recipients.iter().enumerate() {
            let inbox = &self.truth.inboxes[phone];
            self.totals(phone, inbox);
            for (s, session) in self.world.sessions.iter().enumerate() {
                let shown = inbox.chats.get(&session.number).map_or(&[][..], Vec::as_slice);
                let wanted: BTreeSet<&str> = accepted.iter().copied().filter(|text| is_of(asked[text], s, n)).collect();
                self.counts.shown += self.shown_once("recipients' phones", phone, &wanted, shown, false);
                self.in_order(phone, &asked, shown);
            }
        }
        for (s, session) in self.world.sessions.iter().enumerate() {
            let inbox = &self.truth.inboxes[&session.number];
            self.totals(&session.number, inbox);
            for (n, phone) in self.world.recipients.iter().enumerate() {
                let shown = inbox.chats.get(phone).map_or(&[][..], Vec::as_slice);
                let wanted = accepted.iter().copied().filter(|text| is_of(asked[text], s, n)).collect();
                self.shown_once("the account's own phone", &session.number, &wanted, shown, true);
            }
        }
    }

    /// One accepted message's status is final and true, and its timeline can have been.
    fn row(&mut self, row: &Value) {
        let status = row["status"].as_str().unwrap_or_default();
        *self.counts.statuses.entry(status.to_owned()).or_default() += 1;
        if status != "delivered" {
            let text = row["text"].as_str().unwrap_or_default();
            self.violations
                .add("messages shown or lost that are not delivered", format!("{row}\n      {}", self.seen(text)));
        }
        let steps: Vec<&str> =
            row["timeline"].as_array().into_iter().flatten().filter_map(|step| step["status"].as_str()).collect();
        let once = |status| steps.iter().filter(|step| **step == status).count() <= 1;
        if !(steps.first() == Some(&"queued") && once("sent") && once("delivered") && steps.last() == Some(&status)) {
            self.violations.add("timelines that cannot be", row.to_string());
        }
    }

    /// Where a text is seen, for a violation.
    fn seen(&self, text: &str) -> String {
        let mut seen = Vec::new();
        for (phone, inbox) in &self.truth.inboxes {
            for (chat, messages) in &inbox.chats {
                let found = messages.iter().filter(|message| message.text.as_deref() == Some(text));
                seen.extend(found.map(|message| format!("on {phone} with {chat}: {message:?}")));
            }
        }
        if seen.is_empty() { "seen nowhere".to_owned() } else { seen.join("; ") }
    }

    /// Each wanted text was shown under one id, and nothing else was. Returns how many were.
    fn shown_once(
        &mut self,
        whose: &'static str,
        phone: &str,
        wanted: &BTreeSet<&str>,
        shown: &[Shown],
        from_me: bool,
    ) -> usize {
        let mut by_text: HashMap<&str, Vec<&Shown>> = HashMap::new();
        for message in shown.iter().filter(|message| message.from_me == from_me) {
            self.counts.failed += message.failed;
            self.counts.repeats += message.times.saturating_sub(1);
            match &message.text {
                Some(text) if message.decrypted == Some(true) => by_text.entry(text).or_default().push(message),
                _ => self
                    .violations
                    .add("messages that could never be decrypted", format!("{whose} {phone}: {message:?}")),
            }
        }
        let mut count = 0;
        for text in wanted {
            match by_text.remove(text).as_deref() {
                Some([_]) => count += 1,
                Some(several) => {
                    self.violations.add("messages shown under several ids", format!("{whose} {phone}: {several:?}"));
                }
                None => {
                    let row = self.truth.rows.iter().find(|row| row["text"] == *text);
                    let told = format!("{whose} {phone}: {text:?} {}", row.unwrap_or(&Value::Null));
                    self.violations.add("messages never shown", told);
                }
            }
        }
        for (text, message) in by_text {
            self.violations.add("messages shown that were never accepted", format!("{phone}: {text:?} {message:?}"));
        }
        count
    }

    /// The texts of a chat were first shown in the order of acceptance.
    fn in_order(&mut self, phone: &str, asked: &HashMap<&str, &Asked>, shown: &[Shown]) {
        let mut shown: Vec<&Shown> = shown.iter().filter(|message| !message.from_me && message.times > 0).collect();
        shown.sort_by_key(|message| message.order);
        let number = |message: &Shown| asked.get(message.text.as_deref()?).map(|asked| asked.number);
        for (at, pair) in shown.windows(2).enumerate() {
            if number(pair[0]) >= number(pair[1]) {
                let around = &shown[at.saturating_sub(3)..shown.len().min(at + 5)];
                self.violations.add("messages out of order", format!("{phone}: {pair:?}, among {around:?}"));
            }
        }
    }

    fn totals(&mut self, phone: &str, inbox: &Inbox) {
        if let Some(reused) = inbox.totals["reusedCounters"].as_u64().filter(|reused| *reused > 0) {
            self.violations.add("ratchet counters used twice", format!("{phone}: {reused}"));
        }
    }

    fn inbound(&mut self) {
        let mut rows = self.rows("inbound");
        for written in &self.ledger.written {
            let found = rows.remove(written.text.as_str()).unwrap_or_default();
            self.counts.written += usize::from(written.id.is_some());
            self.counts.stored += found.len();
            let (session, phone) = (&self.world.sessions[written.session], &self.world.recipients[written.recipient]);
            let as_written = |row: &Value| {
                row["sessionId"] == session.id.as_str()
                    && row["remoteJid"] == format!("{phone}@s.whatsapp.net")
                    && row["status"] == "received"
            };
            match (&written.id, found.as_slice()) {
                (_, [row]) if as_written(row) => {}
                (None, []) => {}
                (id, found) => {
                    let told = format!("{:?}, id {id:?}, from {phone} to {}: {found:#?}", written.text, session.number);
                    self.violations.add("inbound messages that are not one row", told);
                }
            }
        }
        for row in rows.into_values().flatten() {
            self.violations.add("inbound rows that nobody wrote", row.to_string());
        }
    }
}

fn is_of(asked: &Asked, session: usize, recipient: usize) -> bool {
    asked.session == session && asked.recipient == recipient
}
