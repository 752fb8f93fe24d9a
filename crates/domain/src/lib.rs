//! Waypost's types and rules, free of I/O and of async: what an id, a phone number, a message status or a session
//! state *is*, and how each may change.
//!
//! Everything that needs the time, randomness or a fresh id takes an [`Env`], so that tests neither sleep nor guess.

pub mod account;
pub mod address;
pub mod api_key;
pub mod env;
pub mod event;
pub mod idempotency;
pub mod ids;
pub mod message;
pub mod message_event;
pub mod network;
pub mod number_check;
mod number_variants;
pub mod pacing;
pub mod session;
pub mod session_event;
pub mod session_state;
pub mod spelling;
pub mod status;
pub mod text;
pub mod time;

pub use account::{Email, Role, Tenant, User};
pub use address::{Jid, JidServer, PhoneNumber, Recipient};
pub use api_key::{ApiKey, Scope};
pub use env::{Clock, Entropy, Env};
pub use event::{Event, EventType};
pub use idempotency::IdempotencyKey;
pub use ids::{ApiKeyId, EventId, MessageId, RefreshFamilyId, SessionId, TenantId, UserId, WaMessageId};
pub use message::{Content, Direction, Inbound, Message, MessageKind, Outgoing, TimelineEntry};
pub use message_event::{MessageEvent, ReceiptKind};
pub use network::AddressPrefix;
pub use number_check::{FoundAccount, NumberCheck, NumberFound};
pub use pacing::{FirstContactPause, Pacing, PacingChoice};
pub use session::{ClientVersion, EngineKind, LastError, NotAVersion, Session, SessionStatus};
pub use session_event::{ConnectionId, EndReason, SessionEvent};
pub use session_state::{SessionInput, SessionRefusal, SessionState};
pub use status::{Failure, FailureCode, MessageStatus, Progress, StatusChange};
pub use time::Timestamp;
