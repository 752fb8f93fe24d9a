//! The HTTP server: connections in, requests to the router, with limits on all of it.
//!
//! What it promises: a client that is slow to send its head, sends a huge one, does not read what it asked for, or opens
//! too many connections costs a bounded amount and delays nobody who is connected; a full server says so, and whether it
//! is well; at shutdown no request that was being answered is cut off within the grace.

mod connection;
pub mod descriptors;
mod places;
mod stream;
#[cfg(test)]
mod tests;

use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use waypost_api::TrustedProxies;

use places::Places;

/// How long accepting pauses when the system has no room for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What bounds the server.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at a time; more are turned away.
    pub connections: usize,
    /// Connections at a time from one address; none for as many as there are.
    pub per_address: Option<usize>,
    /// Who is exempt from that: they bring the connections of many.
    pub proxies: TrustedProxies,
    /// How long clients may be silent.
    pub patience: Patience,
    /// How long requests may take to finish once the server is told to stop.
    pub grace: Duration,
}

/// How long clients may be silent.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Until the head of the first request is there.
    pub first_head: Duration,
    /// While they read nothing of an answer.
    pub unread: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { first_head: Duration::from_secs(10), unread: Duration::from_secs(30) }
    }
}

/// Serves until `stop` is cancelled, then finishes the requests that are being answered.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, stop: CancellationToken) {
    let places = Places::new(limits.connections, limits.per_address, limits.proxies);
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                // Without even a place in the reserve it is closed at once.
                let Some(place) = places.take(peer.ip()) else { continue };
                let (router, stop) = (router.clone(), stop.clone());
                connections.spawn(connection::serve(stream, peer, place, router, limits.patience, stop));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(limits.grace, connections.wait()).await.is_err() {
        tracing::warn!("some requests did not finish in time and were cut off");
    }
}
