//! The client's events, as they come on its receive path: nothing here waits.
//!
//! Verdicts on messages go straight to the gateway. What concerns the connection goes to the driver, in order, because
//! some of it takes time (`Linked` follows a write to the disk) and must not be overtaken.

use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use tokio::sync::mpsc;
use wacore::types::events::{Event, EventHandler, EventInterest, EventKind, InboundMessage, PairSuccess, Receipt};
use wacore_binary::JidExt as _;
use whatsapp_rust::Client;

use super::{LinkCore, Unlinked};
use crate::verdict;
use waypost_domain::{ConnectionId, EndReason};

/// How many events may wait for the driver. They come one by one over seconds; more than this is a driver that hangs.
pub(super) const MAX_WAITING: usize = 256;

/// What happened to the connection.
pub(super) enum Change {
    /// A QR code waits to be scanned for this long.
    Qr { code: String, lasts: Duration },
    /// The last QR code has expired, and the client closes the connection.
    QrExhausted,
    /// A phone has linked the session.
    Paired(PairSuccess),
    /// Logged in and ready, on this connection.
    Connected(ConnectionId),
    /// The account's name for itself has changed, which makes the client say that it is available.
    Renamed,
    /// The connection broke; the client makes it again.
    Lost(String),
    /// The server ended it for good.
    Ended(EndReason),
    /// The server says that the device was unlinked.
    Unlinked(Unlinked),
    /// Messages that could not be decrypted and that the phone has sent once more in answer to a request.
    Recovered(Arc<[InboundMessage]>),
}

/// Receives the events of one client.
pub(super) struct Events {
    link: Arc<LinkCore>,
    client: Weak<Client>,
    changes: mpsc::Sender<Change>,
}

impl Events {
    pub(super) fn new(link: Arc<LinkCore>, client: &Arc<Client>, changes: mpsc::Sender<Change>) -> Self {
        Self { link, client: Arc::downgrade(client), changes }
    }

    fn change(&self, change: Change) {
        if self.changes.try_send(change).is_err() {
            tracing::error!(
                session.id = %self.link.spec.id,
                tenant.id = %self.link.spec.tenant_id,
                "the session's driver does not keep up with its connection; an event is lost"
            );
        }
    }

    fn receipt(&self, receipt: &Receipt) {
        // The account's own devices confirm what they were sent a copy of; that proves nothing of the recipient.
        let from_self = self.client.upgrade().is_some_and(|client| {
            let sender = &receipt.source.sender;
            client.pn().is_some_and(|own| sender.is_same_user_as(&own))
                || client.lid().is_some_and(|own| sender.is_same_user_as(&own))
        });
        if !from_self && let Some(event) = verdict::receipt(receipt) {
            // As good as an acknowledgement: it proves that messages leave.
            self.link.answered.fetch_add(1, Ordering::Relaxed);
            self.link.message_event(event);
        }
    }
}

impl EventHandler for Events {
    fn handle_event(&self, event: Arc<Event>) {
        let now = self.link.shared.env.now();
        match &*event {
            Event::ServerAck(ack) => {
                if let Some(event) = verdict::ack(ack, now) {
                    self.link.answered.fetch_add(1, Ordering::Relaxed);
                    self.link.message_event(event);
                }
            }
            Event::Receipt(receipt) => self.receipt(receipt),
            Event::PairingQrCode(qr) => self.change(Change::Qr { code: qr.code.clone(), lasts: qr.timeout }),
            // Where a pairing code is still good the connection stays, and there is nothing to tell.
            Event::PairingQrCodesExhausted(exhausted) if exhausted.disconnected => self.change(Change::QrExhausted),
            Event::PairSuccess(paired) => self.change(Change::Paired(paired.clone())),
            Event::Connected(_) => self.change(Change::Connected(self.link.lines.present())),
            Event::SelfPushNameUpdated(_) => self.change(Change::Renamed),
            Event::Disconnected(lost) => self.change(Change::Lost(lost.reason.to_string())),
            Event::LoggedOut(out) => self.change(match verdict::logged_out(out) {
                Ok(unlinked) => Change::Unlinked(unlinked),
                Err(end) => Change::Ended(end),
            }),
            Event::StreamReplaced(_) => self.change(Change::Ended(EndReason::Replaced)),
            Event::ClientOutdated(_) => self.change(Change::Ended(EndReason::ClientOutdated)),
            Event::TemporaryBan(ban) => {
                let lasts = ban.expire.to_std().unwrap_or_default();
                self.change(Change::Ended(verdict::banned(&ban.code, lasts, now)));
            }
            Event::ConnectFailure(failure) => {
                self.change(match verdict::refused_login(failure.reason) {
                    Some(end) => Change::Ended(end),
                    None => Change::Lost(format!("WhatsApp cannot take logins right now ({})", failure.reason.code())),
                });
            }
            // Everything else has gone through the durability hook, which is the way that loses nothing.
            Event::Messages(batch) if !batch.hook_committed => self.change(Change::Recovered(batch.messages.clone())),
            _ => {}
        }
    }

    fn interest(&self) -> EventInterest {
        EventInterest::of(&[
            EventKind::ServerAck,
            EventKind::Receipt,
            EventKind::PairingQrCode,
            EventKind::PairingQrCodesExhausted,
            EventKind::PairSuccess,
            EventKind::Connected,
            EventKind::SelfPushNameUpdated,
            EventKind::Disconnected,
            EventKind::LoggedOut,
            EventKind::StreamReplaced,
            EventKind::ClientOutdated,
            EventKind::TemporaryBan,
            EventKind::ConnectFailure,
            EventKind::Messages,
        ])
    }
}
