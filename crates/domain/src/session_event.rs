//! What a network says about a session: its link to an account and its connection.

use crate::{Jid, PhoneNumber, Timestamp};

/// Names one connection of a session: each has another, and [`SessionEvent::Connected`] says which it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConnectionId(pub u64);

/// What happens to a session at its network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEvent {
    /// A QR code waits to be scanned; it replaces any earlier one.
    Qr {
        /// The text to show as a QR code.
        code: String,
        /// When it stops working.
        expires_at: Timestamp,
    },
    /// No phone scanned in time; the connection is closed.
    QrExhausted,
    /// The session was linked to an account, and its credentials are on disk.
    Linked {
        /// The account's number.
        phone_number: PhoneNumber,
        /// Its LID, where the network said it.
        lid: Option<Jid>,
        /// Its name for itself.
        push_name: Option<String>,
    },
    /// A connection is being made (again).
    Connecting,
    /// Logged in, ready to send, socket alive.
    Connected {
        /// Which connection it is; a send call names the one it is for.
        connection: ConnectionId,
        /// The account's name for itself, where it is known.
        push_name: Option<String>,
    },
    /// The connection is lost; the engine makes it again by itself.
    ConnectionLost {
        /// What went wrong.
        reason: String,
    },
    /// The connection ended and the engine will not make it again by itself.
    Ended(EndReason),
}

/// Why a connection ended for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndReason {
    /// The device was unlinked: its credentials are worth nothing any more.
    LoggedOut {
        /// What the network said.
        reason: String,
    },
    /// Another client took the connection over.
    Replaced,
    /// The account is banned or locked.
    Restricted {
        /// What the network said.
        reason: String,
        /// When it ends, where the network said so.
        until: Option<Timestamp>,
    },
    /// The network refuses this client's version.
    ClientOutdated,
    /// The network refused the login in some other way.
    Refused {
        /// What the network said.
        reason: String,
    },
}
