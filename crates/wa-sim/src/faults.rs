//! The one place that may make the server misbehave.
//!
//! Rules are consulted before a message is relayed and acked and before a receipt is forwarded. Each
//! matches by account, chat, id or type, and may wear off after a number of uses. Without rules the
//! hook costs one atomic read.

use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Fault {
    /// The message is relayed, its ack is not sent.
    WithholdAck,
    /// The message is refused with this error and not relayed.
    Nack {
        /// The `error` attribute of the ack: 400, 404, 463, 475, 479, 503 …
        code: u16,
    },
    /// The receipt is acked to its sender and not forwarded.
    DropReceipt {
        /// Only receipts of this type; `delivery` means those without one. All when absent.
        #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
        receipt: Option<String>,
    },
}

/// A fault and when it strikes. Absent conditions match everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FaultRule {
    /// What goes wrong.
    #[serde(flatten)]
    pub fault: Fault,
    /// Number of the account that sends the message or receipt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Number of the account (or group id) it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Id of the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// How often the rule strikes before it is gone; for ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}

/// What to do about a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Normal,
    WithholdAck,
    Nack(u16),
}

/// The rules in force.
#[derive(Default)]
pub struct Faults {
    any: AtomicBool,
    rules: RwLock<Vec<FaultRule>>,
}

impl Faults {
    /// Adds a rule; the first one that matches strikes.
    pub fn add(&self, rule: FaultRule) {
        let mut rules = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        rules.push(rule);
        self.any.store(true, Ordering::Release);
    }

    /// Removes every rule.
    pub fn clear(&self) {
        let mut rules = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        rules.clear();
        self.any.store(false, Ordering::Release);
    }

    /// The rules in force, with the uses they have left.
    pub fn list(&self) -> Vec<FaultRule> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn on_message(&self, from: &str, to: &str, id: &str) -> Fate {
        let struck = self.strike(from, to, id, |fault| matches!(fault, Fault::WithholdAck | Fault::Nack { .. }));
        match struck {
            Some(Fault::WithholdAck) => Fate::WithholdAck,
            Some(Fault::Nack { code }) => Fate::Nack(code),
            _ => Fate::Normal,
        }
    }

    /// Whether a receipt is swallowed.
    pub(crate) fn on_receipt(&self, from: &str, to: &str, id: &str, kind: Option<&str>) -> bool {
        let kind = kind.unwrap_or("delivery");
        self.strike(from, to, id, |fault| match fault {
            Fault::DropReceipt { receipt } => receipt.as_deref().is_none_or(|only| only == kind),
            _ => false,
        })
        .is_some()
    }

    fn strike(&self, from: &str, to: &str, id: &str, applies: impl Fn(&Fault) -> bool) -> Option<Fault> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let matches = |want: &Option<String>, is: &str| want.as_deref().is_none_or(|want| want == is);
        let mut rules = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        let at = rules.iter().position(|rule| {
            applies(&rule.fault) && matches(&rule.from, from) && matches(&rule.to, to) && matches(&rule.id, id)
        })?;
        let fault = rules[at].fault.clone();
        if let Some(times) = &mut rules[at].times {
            *times = times.saturating_sub(1);
            if *times == 0 {
                rules.remove(at);
                self.any.store(!rules.is_empty(), Ordering::Release);
            }
        }
        Some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(json: &str) -> FaultRule {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_rule_strikes_what_it_names_as_often_as_it_says() {
        let faults = Faults::default();
        faults.add(rule(r#"{"kind":"nack","code":463,"to":"2","times":2}"#));
        assert_eq!(faults.on_message("1", "3", "a"), Fate::Normal);
        assert_eq!(faults.on_message("1", "2", "a"), Fate::Nack(463));
        assert!(!faults.on_receipt("1", "2", "a", None));
        assert_eq!(faults.on_message("1", "2", "b"), Fate::Nack(463));
        assert_eq!(faults.on_message("1", "2", "c"), Fate::Normal);
        assert!(faults.list().is_empty());
    }

    #[test]
    fn receipts_are_dropped_by_type() {
        let faults = Faults::default();
        faults.add(rule(r#"{"kind":"dropReceipt","type":"delivery"}"#));
        assert!(faults.on_receipt("1", "2", "a", None));
        assert!(!faults.on_receipt("1", "2", "a", Some("read")));
        faults.clear();
        assert!(!faults.on_receipt("1", "2", "a", None));
    }
}
