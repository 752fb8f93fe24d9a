//! Sessions: list, create, get, update, connect, QR, pairing code, status, disconnect, logout, delete.

pub mod connect;
pub mod create;
pub mod delete;
pub mod disconnect;
pub mod get;
pub mod list;
pub mod logout;
pub mod pacing;
pub mod pairing_code;
pub mod qr;
pub mod status;
pub mod update;

use serde::Serialize;
use utoipa::{ToSchema, openapi::schema::Object};
use waypost_domain::{EngineKind, Jid, LastError, PhoneNumber, SessionId, SessionStatus, Timestamp};
use waypost_gateway::sessions::SessionView;

use self::pacing::PacingAnswer;
use crate::{
    auth::{Tenant, WriteSessions},
    openapi,
};

/// A session: a linked WhatsApp account, or a sandbox one.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Session)]
pub struct SessionAnswer {
    #[schema(value_type = Uuid)]
    id: SessionId,
    #[schema(example = "Shop")]
    name: String,
    #[schema(schema_with = engines)]
    engine: EngineKind,
    /// `connected` is said only while the connection is proved alive.
    #[schema(schema_with = statuses)]
    status: SessionStatus,
    /// Whether the status is `connected`.
    connected: bool,
    /// The account's number, once linked.
    #[schema(required = true, value_type = Option<String>, example = "919876543210")]
    phone_number: Option<PhoneNumber>,
    /// The account's LID, once known.
    #[schema(required = true, value_type = Option<String>)]
    lid: Option<Jid>,
    /// The account's name for itself, once known.
    #[schema(required = true)]
    push_name: Option<String>,
    /// Why it left `connected`, or could not get there, and what to do.
    #[schema(required = true)]
    last_error: Option<LastErrorAnswer>,
    /// When it last became `connected`.
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    connected_at: Option<Timestamp>,
    /// The text to show as a QR code, while one waits to be scanned. Null for API keys without the scope `sessions:write`.
    #[schema(required = true)]
    qr: Option<String>,
    /// When the QR code stops working.
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    qr_expires_at: Option<Timestamp>,
    /// How fast it may send.
    #[schema(value_type = PacingAnswer)]
    pacing: PacingAnswer,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// Why a session is not connected.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LastError)]
pub struct LastErrorAnswer {
    /// A stable code to act upon.
    #[schema(example = "LOGGED_OUT")]
    code: String,
    /// What happened and what to do.
    message: String,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// When a restriction ends, where WhatsApp said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, format = DateTime)]
    until: Option<Timestamp>,
    /// When it is tried again without anybody asking, where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, format = DateTime)]
    retry_at: Option<Timestamp>,
}

impl SessionAnswer {
    /// The session as this caller may see it: whoever has the QR code can link an account of their own, so it is shown to
    /// those who may change sessions.
    pub fn new<P>(view: SessionView, caller: &Tenant<P>) -> Self {
        let SessionView { session, qr, pacing, first_contact_pause } = view;
        let last_error = |LastError { code, message, at, until, retry_at, attempts: _ }| LastErrorAnswer {
            code,
            message,
            at,
            until,
            retry_at,
        };
        let qr_expires_at = qr.as_ref().map(|qr| qr.expires_at);
        Self {
            id: session.id,
            name: session.name,
            engine: session.engine,
            status: session.status,
            connected: session.status == SessionStatus::Connected,
            phone_number: session.phone_number,
            lid: session.lid,
            push_name: session.push_name,
            last_error: session.last_error.map(last_error),
            connected_at: session.connected_at,
            qr: qr.map(|qr| qr.code).filter(|_| caller.may::<WriteSessions>()),
            qr_expires_at,
            pacing: PacingAnswer::new(pacing, first_contact_pause),
            created_at: session.created_at,
            updated_at: session.updated_at,
        }
    }
}

const ENGINES: [EngineKind; 2] = [EngineKind::Whatsapp, EngineKind::Sandbox];

fn known_engines() -> Object {
    openapi::one_of(ENGINES.map(EngineKind::as_str))
}

fn engines() -> Object {
    openapi::one_of_or(ENGINES.map(EngineKind::as_str), EngineKind::Unknown.as_str())
}

fn statuses() -> Object {
    openapi::one_of_or(SessionStatus::ALL.map(SessionStatus::as_str), SessionStatus::Unknown.as_str())
}
