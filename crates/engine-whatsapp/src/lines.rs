//! No message leaves on another connection than the one it was handed over for.
//!
//! When a socket breaks, messages that were written to it are lost, and the gateway sends them again on the next. But the
//! client makes that next connection by itself, within a second, and what is handed to it meanwhile would go out there
//! first: ahead of those that died, and so out of order in its chat. So every connection has a number. A send call names
//! the one it is for, and is refused where another was begun. Before a new socket is opened, calls that still run on the
//! one before are cut off; what became of their messages nobody knows, and they count as sent: the next connection sends
//! them again, in their places, under the same ids.
//!
//! A connection is spoiled when something that came in on it could not be read or stored. The client (0.7.0) answers a
//! message whose keys it cannot read as if it were damaged (`NackReason::UnhandledError`), and WhatsApp forgets it. So from
//! that moment nothing leaves on the connection ([`crate::gate`]), and nothing more that comes in on it is stored: it would
//! overtake what failed. WhatsApp brings all that was not confirmed on the next connection, in order; the driver has one
//! made once the database answers.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};
use waypost_domain::ConnectionId;

use tokio::{
    select,
    sync::{RwLock, watch},
};
use wacore::net::Transport;

/// The connections of one link, one after the other.
#[derive(Default)]
pub(crate) struct Lines {
    /// From 1 on: 0 is none.
    present: watch::Sender<u64>,
    /// The newest connection that is spoiled.
    spoiled: AtomicU64,
    /// Held for reading by every send call.
    sending: RwLock<()>,
    socket: Mutex<Option<Weak<dyn Transport>>>,
}

/// What became of a send call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sending<T> {
    /// It came to its end.
    Done(T),
    /// The connection ended first. The message may have left.
    CutOff,
    /// Another connection was begun before. The message did not leave.
    Elsewhere,
}

impl Lines {
    /// The connection that was begun last.
    pub(crate) fn present(&self) -> ConnectionId {
        ConnectionId(*self.present.borrow())
    }

    /// Begins another connection. Returns when nothing is being sent on the one before any more.
    pub(crate) async fn begin(&self) {
        self.present.send_modify(|number| *number += 1);
        // Send calls let go as soon as they see that.
        drop(self.sending.write().await);
    }

    /// Something that came in could not be read or stored. The present connection is of no more use.
    pub(crate) fn spoil(&self) {
        self.spoiled.fetch_max(*self.present.borrow(), Ordering::AcqRel);
    }

    /// Whether this connection is of no more use.
    pub(crate) fn is_spoiled(&self, connection: ConnectionId) -> bool {
        connection.0 > 0 && connection.0 <= self.spoiled.load(Ordering::Acquire)
    }

    /// Whether the present connection is of no more use.
    pub(crate) fn present_is_spoiled(&self) -> bool {
        self.is_spoiled(self.present())
    }

    /// The connection that was begun has this socket.
    pub(crate) fn opened(&self, socket: &Arc<dyn Transport>) {
        *self.socket.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::downgrade(socket));
    }

    /// Closes the present socket, as a network does that breaks: the client notices it, and begins another connection.
    ///
    /// The client's own call for that (0.7.0, `reconnect_immediately`) may come to its end when the next connection is
    /// there already, which then never confirms anything.
    pub(crate) async fn cut(&self) {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(socket) = socket.as_ref().and_then(Weak::upgrade) {
            socket.disconnect().await;
        }
    }

    /// Carries out a send call on connection `on`.
    pub(crate) async fn send<T>(&self, on: ConnectionId, call: impl Future<Output = T>) -> Sending<T> {
        let _sending = self.sending.read().await;
        let mut present = self.present.subscribe();
        if *present.borrow_and_update() != on.0 {
            return Sending::Elsewhere;
        }
        select! {
            biased;
            _ = present.changed() => Sending::CutOff,
            done = call => Sending::Done(done),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, sync::Arc};

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_call_for_an_earlier_connection_does_not_begin() {
        let lines = Lines::default();
        lines.begin().await;
        let on = lines.present();
        assert_eq!(lines.send(on, async { 1 }).await, Sending::Done(1));
        lines.begin().await;
        assert_eq!(lines.send(on, async { panic!("it must not begin") }).await, Sending::<()>::Elsewhere);
        assert_eq!(lines.send(lines.present(), async { 2 }).await, Sending::Done(2));
    }

    #[tokio::test]
    async fn what_spoils_a_connection_leaves_the_next_one_alone() {
        let lines = Lines::default();
        lines.spoil();
        assert!(!lines.present_is_spoiled(), "there is none yet");
        lines.begin().await;
        let first = lines.present();
        assert!(!lines.is_spoiled(first));
        lines.spoil();
        assert!(lines.is_spoiled(first) && lines.present_is_spoiled());
        lines.begin().await;
        assert!(lines.is_spoiled(first) && !lines.present_is_spoiled());
    }

    #[tokio::test]
    async fn no_connection_begins_while_something_is_sent_on_the_one_before() {
        let lines = Arc::new(Lines::default());
        let (begun, begins) = oneshot::channel();
        // Dropped with the call that holds it.
        let (held, gone) = oneshot::channel::<()>();
        let call = tokio::spawn({
            let lines = lines.clone();
            async move {
                lines
                    .send(lines.present(), async {
                        let _held = held;
                        begun.send(()).unwrap();
                        pending::<()>().await;
                    })
                    .await
            }
        });
        begins.await.unwrap();
        lines.begin().await;
        assert!(gone.await.is_err());
        assert_eq!(call.await.unwrap(), Sending::CutOff);
    }
}
