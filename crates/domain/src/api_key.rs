//! API keys and what they may do.

use serde::{Deserialize, Serialize};

use crate::{ApiKeyId, TenantId, Timestamp};

/// One thing that an API key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Scope {
    /// Send and cancel messages.
    #[serde(rename = "messages:send")]
    MessagesSend,
    /// Read messages and their status.
    #[serde(rename = "messages:read")]
    MessagesRead,
    /// Read sessions and their state.
    #[serde(rename = "sessions:read")]
    SessionsRead,
    /// Create, link and delete sessions.
    #[serde(rename = "sessions:write")]
    SessionsWrite,
    /// Manage webhooks.
    #[serde(rename = "webhooks:write")]
    WebhooksWrite,
    /// Manage contacts.
    #[serde(rename = "contacts:write")]
    ContactsWrite,
    /// Another version of Waypost wrote a scope that this one does not know. It allows nothing, and is never written.
    #[serde(other, rename = "unknown")]
    Unknown,
}

impl Scope {
    /// Every scope that this version knows: what a key has when none are named.
    pub const ALL: [Self; 6] = [
        Self::MessagesSend,
        Self::MessagesRead,
        Self::SessionsRead,
        Self::SessionsWrite,
        Self::WebhooksWrite,
        Self::ContactsWrite,
    ];

    /// The name in the API and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MessagesSend => "messages:send",
            Self::MessagesRead => "messages:read",
            Self::SessionsRead => "sessions:read",
            Self::SessionsWrite => "sessions:write",
            Self::WebhooksWrite => "webhooks:write",
            Self::ContactsWrite => "contacts:write",
            Self::Unknown => "unknown",
        }
    }

    /// The scope with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }
}

/// An API key without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// Its tenant.
    pub tenant_id: TenantId,
    /// Its name, chosen by the tenant.
    pub name: String,
    /// The first characters of the secret, to recognise it by.
    pub prefix: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
}
