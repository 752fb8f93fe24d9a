//! Sessions: create, list, get, update, connect, QR, pairing code, status, disconnect, logout, delete.
//!
//! Steps on one session come one after another ([`crate::live::LiveSession::steps`]); where each leads is the state
//! machine's to say ([`waypost_domain::SessionState`]); the row changes before memory does ([`change`]).

mod change;
mod connect;
mod create;
mod delete;
mod disconnect;
mod get;
mod list;
mod logout;
mod pairing_code;
mod qr;
mod status;
mod update;

use waypost_domain::{FirstContactPause, Pacing, Session, Timestamp};

pub(crate) use change::{Account, Details};
pub use update::{PacingUpdate, SessionUpdate};

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
    /// The pace in force.
    pub pacing: Pacing,
    /// The pause of first contacts, while there is one.
    pub first_contact_pause: Option<FirstContactPause>,
}
