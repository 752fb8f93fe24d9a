//! Typed ids: no bare `Uuid` or `String` crosses a function.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The bare UUID, for the database.
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

uuid_id!(
    /// A tenant: one customer, walled off from every other.
    TenantId
);
uuid_id!(
    /// A person who logs in.
    UserId
);
uuid_id!(
    /// A linked WhatsApp account (or a sandbox one).
    SessionId
);
uuid_id!(
    /// A message as Waypost's callers know it. Its name on the wire is a [`WaMessageId`].
    MessageId
);
uuid_id!(
    /// An API key, not its secret.
    ApiKeyId
);
uuid_id!(
    /// One login and all the refresh tokens that descend from it.
    RefreshFamilyId
);
uuid_id!(
    /// An event. It stays the same over every repeated delivery.
    EventId
);

/// A message's id on the wire. For our own messages it is drawn when the message is accepted and never changes:
/// phones know a repeat by it (docs/guarantees.md 2).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WaMessageId(String);

impl WaMessageId {
    /// The id as it stands in a stanza.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for WaMessageId {
    fn from(id: String) -> Self {
        Self(id)
    }
}

impl std::fmt::Display for WaMessageId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
