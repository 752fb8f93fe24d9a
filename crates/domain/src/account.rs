//! Tenants and the people who log in.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{TenantId, Timestamp, UserId};

/// A customer, walled off from every other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// The business's name.
    pub name: String,
    /// When its trial ends.
    pub trial_ends_at: Timestamp,
    /// When it was created.
    pub created_at: Timestamp,
}

/// What a person may do within their tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything, and the tenant is theirs.
    Owner,
    /// Everything but the tenant itself.
    Admin,
    /// Messages and sessions, no keys.
    Member,
}

impl Role {
    /// Every role, the one that may most first.
    pub const ALL: [Self; 3] = [Self::Owner, Self::Admin, Self::Member];

    /// The name in the API and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Member => "member",
        }
    }

    /// The role with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }

    /// Whether this role may do all that `least` may. An owner may what an admin may, an admin what a member may.
    pub const fn includes(self, least: Self) -> bool {
        self as u8 <= least as u8
    }
}

/// An e-mail address in the one form that is compared: trimmed, lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Email(String);

impl Email {
    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Email {
    type Err = NotAnEmail;

    fn from_str(text: &str) -> Result<Self, NotAnEmail> {
        let email = text.trim().to_lowercase();
        let (local, domain) = email.rsplit_once('@').ok_or(NotAnEmail)?;
        // One that has characters that nobody sees looks like another one's.
        let plain = crate::text::is_visible;
        let valid = !local.is_empty()
            && email.len() <= 254
            && email.chars().all(plain)
            && !local.contains('@')
            && domain.contains('.')
            && domain.split('.').all(|label| !label.is_empty());
        if valid { Ok(Self(email)) } else { Err(NotAnEmail) }
    }
}

/// The text is no e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Must be an e-mail address such as ada@example.com")]
pub struct NotAnEmail;

/// A person who logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// Their tenant.
    pub tenant_id: TenantId,
    /// Their e-mail, unique over the installation.
    pub email: Email,
    /// Their name.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// When they were created.
    pub created_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_includes_itself_and_those_after_it() {
        let included = |role: Role| Role::ALL.map(|least| role.includes(least));
        assert_eq!(included(Role::Owner), [true, true, true]);
        assert_eq!(included(Role::Admin), [false, true, true]);
        assert_eq!(included(Role::Member), [false, false, true]);
    }

    #[test]
    fn an_email_is_compared_in_lower_case() {
        assert_eq!(" Ada@Example.COM ".parse::<Email>().unwrap().as_str(), "ada@example.com");
    }

    #[test]
    fn what_is_no_email_is_refused() {
        for text in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "ada@localhost",
            "a b@example.com",
            "ada@example..com",
            "a\u{200b}da@example.com",
        ] {
            assert_eq!(text.parse::<Email>(), Err(NotAnEmail), "{text}");
        }
    }
}
