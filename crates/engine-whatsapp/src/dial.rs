//! The gate in front of every dial, and sockets that never hold anybody up.
//!
//! When an outage ends, every client comes back at once: whatsapp-rust's first retry follows a lost connection by one
//! second, whatever the number of clients. So all dials of the process go through one [`Gate`], first come, first
//! served, at most so many a second.
//!
//! A peer that takes no more bytes would block a write, and with it the close that waits for the write, for as long as
//! TCP tries (a quarter of an hour). Here both have a limit; behind a failed write the connection is closed.

use std::{sync::Arc, time::Duration};

use async_channel::Receiver;
use bytes::Bytes;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until, timeout},
};
use wacore::{
    net::{Transport, TransportEvent, TransportFactory},
    stats::TransportResourceReport,
};
use whatsapp_rust::{anyhow, async_trait};

/// How long a write may take.
const WRITE: Duration = Duration::from_secs(20);
/// How long a close may take: it writes a last frame.
const CLOSE: Duration = Duration::from_secs(3);

/// Lets dials pass, one after another, at a rate.
pub(crate) struct Gate {
    pause: Duration,
    /// When the last one passed. Its lock is what dials queue for, in order; one that gives up leaves no gap.
    last: Mutex<Option<Instant>>,
}

impl Gate {
    /// A gate for so many dials a second.
    pub(crate) fn new(per_second: u32) -> Self {
        Self { pause: Duration::from_secs(1) / per_second.max(1), last: Mutex::new(None) }
    }

    /// Waits for the turn.
    pub(crate) async fn pass(&self) {
        let mut last = self.last.lock().await;
        if let Some(last) = *last {
            sleep_until(last + self.pause).await;
        }
        *last = Some(Instant::now());
    }
}

/// A factory behind the gate.
pub(crate) struct GatedFactory {
    inner: Arc<dyn TransportFactory>,
    gate: Gate,
}

impl GatedFactory {
    pub(crate) fn new(inner: Arc<dyn TransportFactory>, per_second: u32) -> Self {
        Self { inner, gate: Gate::new(per_second) }
    }
}

#[async_trait]
impl TransportFactory for GatedFactory {
    async fn create_transport(&self) -> anyhow::Result<(Arc<dyn Transport>, Receiver<TransportEvent>)> {
        self.gate.pass().await;
        let (inner, events) = self.inner.create_transport().await?;
        Ok((Arc::new(BoundedTransport { inner, write: WRITE, close: CLOSE }), events))
    }
}

/// A socket whose calls return.
struct BoundedTransport {
    inner: Arc<dyn Transport>,
    write: Duration,
    close: Duration,
}

#[async_trait]
impl Transport for BoundedTransport {
    async fn send(&self, data: Bytes) -> anyhow::Result<()> {
        if let Ok(sent) = timeout(self.write, self.inner.send(data)).await {
            return sent;
        }
        self.disconnect().await;
        Err(anyhow::anyhow!("the peer took nothing for {:?}", self.write))
    }

    async fn disconnect(&self) {
        // Past the limit the connection is dropped with its last owner; its reader has ended already.
        let _ = timeout(self.close, self.inner.disconnect()).await;
    }

    fn resource_report(&self) -> Option<TransportResourceReport> {
        self.inner.resource_report()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_thousand_dials_at_once_are_spread_out_and_none_is_forgotten() {
        let per_second = 1000;
        let gate = Arc::new(Gate::new(per_second));
        let dials: Vec<_> = (0..1000)
            .map(|_| {
                let gate = gate.clone();
                tokio::spawn(async move {
                    gate.pass().await;
                    Instant::now()
                })
            })
            .collect();
        let mut passed = Vec::new();
        for dial in dials {
            passed.push(dial.await.unwrap());
        }
        passed.sort();
        // Whoever passed may be late to look at the clock; the gate itself never lets the rate be exceeded.
        let took = passed[999] - passed[0];
        assert!(took >= Duration::from_millis(990), "{took:?}");
        for window in passed.windows(200) {
            assert!(window[199] - window[0] >= Duration::from_millis(150), "a burst of 200 within {:?}", window[199]);
        }
    }

    #[tokio::test]
    async fn whoever_gives_up_leaves_no_gap() {
        let gate = Arc::new(Gate::new(2));
        gate.pass().await;
        let start = Instant::now();
        let impatient: Vec<_> = (0..20)
            .map(|_| {
                let gate = gate.clone();
                tokio::spawn(async move { timeout(Duration::from_millis(100), gate.pass()).await.is_err() })
            })
            .collect();
        for gave_up in impatient {
            assert!(gave_up.await.unwrap());
        }
        gate.pass().await;
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }

    /// A socket whose calls never end.
    #[derive(Default)]
    struct Stuck {
        closed: AtomicBool,
    }

    #[async_trait]
    impl Transport for Stuck {
        async fn send(&self, _data: Bytes) -> anyhow::Result<()> {
            std::future::pending().await
        }

        async fn disconnect(&self) {
            self.closed.store(true, Ordering::SeqCst);
            std::future::pending::<()>().await;
        }
    }

    #[tokio::test]
    async fn a_peer_that_takes_nothing_holds_nobody_up() {
        let stuck = Arc::new(Stuck::default());
        let moment = Duration::from_millis(10);
        let transport = BoundedTransport { inner: stuck.clone(), write: moment, close: moment };
        assert!(transport.send(Bytes::from_static(b"hello")).await.is_err());
        assert!(stuck.closed.load(Ordering::SeqCst));
    }
}
