//! The one place that may make the server misbehave.
//!
//! Rules are consulted before a message is relayed and acked, before a receipt is forwarded and before
//! a lookup is answered. Each matches by account, chat, id or type, may skip its first matches and may
//! wear off after a number of uses. Of one kind the first rule that matches strikes; rules of different
//! kinds add up, except that a refused message meets no other. Without rules the hook costs one atomic
//! read.

mod damage;
mod held;
mod rule;

pub(crate) use damage::damaged;
pub(crate) use held::{AckSlot, HeldAck, HeldAcks};
pub use rule::{Copied, Fault, FaultRule, ReceiptForm};

use crate::account::lock;
use crate::crypto;
use crate::receipts::Delivery;
use rand_wire::SeedableRng as _;
use rand_wire::rngs::StdRng;
use rand_wire::seq::SliceRandom as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use wacore_binary::CompactString;

/// A rule in force.
struct Active {
    rule: FaultRule,
    /// Receipts that a `shuffleReceipts` has collected so far.
    shuffled: Vec<Delivery>,
    rng: Option<StdRng>,
}

/// What a rule is matched with.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// Number of the account that sends.
    pub(crate) from: &'a str,
    /// Number of the account it is for; the group's id for a message to a group.
    pub(crate) to: &'a str,
    /// The group's id, or `to`.
    pub(crate) chat: &'a str,
    /// Id of the message.
    pub(crate) id: &'a str,
}

/// What becomes of a message's ack.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct AckPlan {
    pub(crate) withhold: bool,
    pub(crate) delay: Option<Duration>,
    /// Further acks after the first.
    pub(crate) repeats: u32,
    /// Not before the recipient's receipt.
    pub(crate) after_receipt: bool,
}

/// What to do about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    Accept(AckPlan),
    Nack(u16),
}

/// What to do about a receipt; only there are rules.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ReceiptPlan {
    pub(crate) drop: bool,
    pub(crate) delay: Option<Duration>,
    /// Further copies after the first.
    pub(crate) repeats: u32,
    pub(crate) form: Option<ReceiptForm>,
}

/// What becomes of one device's copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct CopyPlan {
    /// How often it is delivered again to a device that has settled it.
    pub(crate) again: u32,
    /// Whether its ciphertext is damaged.
    pub(crate) corrupt: bool,
}

/// The rules in force.
#[derive(Default)]
pub struct Faults {
    /// Whether there are rules, or things that a rule has held back.
    any: AtomicBool,
    rules: Mutex<Vec<Active>>,
    acks: HeldAcks,
}

impl Faults {
    /// Adds a rule.
    pub fn add(&self, rule: FaultRule) {
        let mut rules = lock(&self.rules);
        rules.push(Active { rule, shuffled: Vec::new(), rng: None });
        self.any.store(true, Ordering::Release);
    }

    /// Removes every rule. Receipts and acks that were held back go out now.
    pub fn clear(&self) {
        let rules = {
            let mut rules = lock(&self.rules);
            self.any.store(false, Ordering::Release);
            std::mem::take(&mut *rules)
        };
        for rule in rules {
            self.let_go(rule);
        }
        self.acks.release_all();
    }

    /// The rules in force, with the uses they have left.
    pub fn list(&self) -> Vec<FaultRule> {
        lock(&self.rules).iter().map(|active| active.rule.clone()).collect()
    }

    /// Acks that wait for a receipt.
    pub(crate) fn acks(&self) -> &HeldAcks {
        &self.acks
    }

    pub(crate) fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    pub(crate) fn on_message(&self, subject: Subject<'_>) -> Fate {
        let mut plan = AckPlan::default();
        if !self.any() {
            return Fate::Accept(plan);
        }
        let strike = |applies: fn(&Fault) -> bool| self.strike(subject, applies);
        if let Some(Fault::Nack { code }) = strike(|fault| matches!(fault, Fault::Nack { .. })) {
            return Fate::Nack(code);
        }
        plan.withhold = strike(|fault| *fault == Fault::WithholdAck).is_some();
        if plan.withhold {
            return Fate::Accept(plan);
        }
        if let Some(Fault::DelayAck { ms }) = strike(|fault| matches!(fault, Fault::DelayAck { .. })) {
            plan.delay = Some(Duration::from_millis(ms));
        }
        if let Some(Fault::RepeatAck { count }) = strike(|fault| matches!(fault, Fault::RepeatAck { .. })) {
            plan.repeats = count;
        }
        plan.after_receipt = strike(|fault| *fault == Fault::EarlyReceipt).is_some();
        Fate::Accept(plan)
    }

    /// `None` without rules.
    pub(crate) fn on_receipt(&self, subject: Subject<'_>, kind: Option<&str>) -> Option<ReceiptPlan> {
        if !self.any() {
            return None;
        }
        let kind = kind.unwrap_or("delivery");
        let mut plan = ReceiptPlan::default();
        let strike = |applies: fn(&Fault) -> bool| {
            self.strike(subject, |fault| applies(fault) && fault.receipt_type().is_none_or(|only| only == kind))
        };
        plan.drop = strike(|fault| matches!(fault, Fault::DropReceipt { .. })).is_some();
        if plan.drop {
            return Some(plan);
        }
        if let Some(Fault::DelayReceipt { ms, .. }) = strike(|fault| matches!(fault, Fault::DelayReceipt { .. })) {
            plan.delay = Some(Duration::from_millis(ms));
        }
        if let Some(Fault::RepeatReceipt { count, .. }) = strike(|fault| matches!(fault, Fault::RepeatReceipt { .. })) {
            plan.repeats = count;
        }
        if let Some(Fault::ReceiptForm { form, .. }) = strike(|fault| matches!(fault, Fault::ReceiptForm { .. })) {
            plan.form = Some(form);
        }
        Some(plan)
    }

    /// What becomes of one device's copy of a message or receipt.
    pub(crate) fn on_copy(&self, subject: Subject<'_>, what: Copied, device: u16) -> CopyPlan {
        if !self.any() {
            return CopyPlan::default();
        }
        let corrupt = what == Copied::Message
            && self
                .strike_where(|rule| match rule.fault {
                    Fault::Corrupt { device: named } => {
                        // The copies of the sender's own devices are meant only when they are named.
                        let meant = rule.to.is_some() || subject.from != subject.to;
                        meant && named.is_none_or(|named| named == device) && rule.covers(subject)
                    }
                    _ => false,
                })
                .is_some();
        let struck = self.strike(subject, |fault| match fault {
            Fault::Redeliver { only, device: named, .. } => {
                only.is_none_or(|only| only == what) && named.is_none_or(|named| named == device)
            }
            _ => false,
        });
        let again = match struck {
            Some(Fault::Redeliver { count, .. }) => count,
            _ => 0,
        };
        CopyPlan { again, corrupt }
    }

    /// The error, and the seconds to stay away, that a lookup of these numbers is answered with.
    pub(crate) fn on_lookup(&self, from: &str, numbers: &[CompactString]) -> Option<(u16, Option<u32>)> {
        if !self.any() {
            return None;
        }
        let struck = self.strike_where(|rule| {
            matches!(rule.fault, Fault::LookupError { .. })
                && rule.from.as_deref().is_none_or(|only| only == from)
                && rule.to.as_deref().is_none_or(|only| numbers.iter().any(|number| number == only))
        });
        match struck {
            Some(Fault::LookupError { code, backoff }) => Some((code, backoff)),
            _ => None,
        }
    }

    /// Collects a receipt if a rule shuffles it; gives it back if not. A collection that is full goes out.
    pub(crate) fn shuffle(&self, subject: Subject<'_>, kind: Option<&str>, delivery: Delivery) -> Option<Delivery> {
        let kind = kind.unwrap_or("delivery");
        let full = {
            let mut rules = lock(&self.rules);
            let found = Self::find(&mut rules, |rule| {
                matches!(&rule.fault, Fault::ShuffleReceipts { .. })
                    && rule.fault.receipt_type().is_none_or(|only| only == kind)
                    && rule.covers(subject)
            });
            let Some(at) = found else {
                return Some(delivery);
            };
            let active = &mut rules[at];
            active.shuffled.push(delivery);
            let hold = match active.rule.fault {
                Fault::ShuffleReceipts { hold, .. } => hold,
                _ => 0,
            };
            if active.rule.wear() {
                let worn = rules.remove(at);
                drop(rules);
                self.let_go(worn);
                return None;
            }
            if active.shuffled.len() < hold {
                return None;
            }
            active.take_shuffled()
        };
        for delivery in full {
            delivery.go(&self.acks);
        }
        None
    }

    fn let_go(&self, mut active: Active) {
        for delivery in active.take_shuffled() {
            delivery.go(&self.acks);
        }
    }

    fn strike(&self, subject: Subject<'_>, applies: impl Fn(&Fault) -> bool) -> Option<Fault> {
        self.strike_where(|rule| applies(&rule.fault) && rule.covers(subject))
    }

    fn strike_where(&self, matches: impl Fn(&FaultRule) -> bool) -> Option<Fault> {
        let mut rules = lock(&self.rules);
        let at = Self::find(&mut rules, matches)?;
        let fault = rules[at].rule.fault.clone();
        if rules[at].rule.wear() {
            rules.remove(at);
        }
        Some(fault)
    }

    /// The first rule that matches and does not skip this time.
    fn find(rules: &mut [Active], matches: impl Fn(&FaultRule) -> bool) -> Option<usize> {
        rules.iter_mut().position(|active| matches(&active.rule) && !active.rule.skip())
    }
}

impl Active {
    fn take_shuffled(&mut self) -> Vec<Delivery> {
        let mut shuffled = std::mem::take(&mut self.shuffled);
        let seed = match self.rule.fault {
            Fault::ShuffleReceipts { seed, .. } => seed,
            _ => None,
        };
        let rng = self
            .rng
            .get_or_insert_with(|| StdRng::seed_from_u64(seed.unwrap_or_else(|| u64::from_be_bytes(crypto::random()))));
        shuffled.shuffle(rng);
        shuffled
    }
}

#[cfg(test)]
mod tests;
