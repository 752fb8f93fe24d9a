//! Sessions: create, list, get, connect, QR, pairing code, status, disconnect, logout, delete.
//!
//! Steps on one session come one after another ([`crate::live::LiveSession::steps`]); where each leads is the state
//! machine's to say ([`machine`]); the row changes before memory does ([`change`]).

mod change;
mod connect;
mod create;
mod delete;
mod disconnect;
mod get;
mod list;
mod logout;
mod machine;
mod pairing_code;
mod qr;
mod status;

use waypost_domain::{Session, Timestamp};

pub(crate) use change::{Account, Details};
pub(crate) use machine::{Input, Refusal, State};

/// A QR code to scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qr {
    /// The text to show as a QR code.
    pub code: String,
    /// When it stops working.
    pub expires_at: Timestamp,
}

/// A session with what only memory knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionView {
    /// The row.
    pub session: Session,
    /// The QR code that waits now.
    pub qr: Option<Qr>,
}
