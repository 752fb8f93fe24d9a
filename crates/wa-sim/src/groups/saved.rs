//! Groups outlive the process.

use super::{Group, Groups, Member};
use crate::account::Account;
use crate::core::Core;
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use wacore_binary::Jid;

#[derive(Serialize, Deserialize)]
pub(crate) struct SavedGroups {
    groups: Vec<SavedGroup>,
    count: u64,
}

#[derive(Serialize, Deserialize)]
struct SavedGroup {
    id: String,
    subject: String,
    subject_t: u64,
    created: u64,
    creator: String,
    /// Numbers and roles.
    members: Vec<(String, Option<String>)>,
}

impl Groups {
    pub(crate) fn save(&self) -> SavedGroups {
        let groups = self.groups.read().unwrap_or_else(PoisonError::into_inner);
        let groups = groups.values().map(|group| SavedGroup {
            id: group.jid.user.to_string(),
            subject: group.subject.clone(),
            subject_t: group.subject_t,
            created: group.created,
            creator: group.creator.pn.to_string(),
            members: group
                .members
                .iter()
                .map(|member| (member.account.pn.to_string(), member.role.map(str::to_owned)))
                .collect(),
        });
        SavedGroups { groups: groups.collect(), count: self.count.load(Ordering::Relaxed) }
    }

    pub(crate) fn restore(&self, core: &Core, saved: SavedGroups) -> anyhow::Result<()> {
        let account = |pn: &str| -> anyhow::Result<Arc<Account>> {
            core.directory.by_pn(pn).context("a group of somebody who does not exist")
        };
        self.count.store(saved.count, Ordering::Relaxed);
        let mut groups = self.groups.write().unwrap_or_else(PoisonError::into_inner);
        for saved in saved.groups {
            let mut members = Vec::new();
            for (pn, role) in &saved.members {
                let role = role.as_deref().map(|role| if role == "admin" { "admin" } else { "superadmin" });
                members.push(Member { account: account(pn)?, role });
            }
            let group = Group {
                jid: Jid::group(saved.id),
                subject: saved.subject,
                subject_t: saved.subject_t,
                created: saved.created,
                creator: account(&saved.creator)?,
                members,
            };
            groups.insert(group.jid.user.clone(), group);
        }
        Ok(())
    }
}
