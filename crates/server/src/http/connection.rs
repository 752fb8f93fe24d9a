//! One connection, from its first byte to its last.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, extract::ConnectInfo};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpStream, time::sleep};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use waypost_api::TurnedAway;

use super::{Patience, places::Place, stream::Impatient};

/// How long an idle connection is kept between two requests. Longer than the 60 s for which common proxies and clients
/// keep theirs, so that they close first and no request meets a closed door.
const IDLE: Duration = Duration::from_secs(75);

/// How long a connection in the reserve lives in all: one question and its answer.
const TURNED_AWAY: Duration = Duration::from_secs(10);

/// The longest head of a request, in bytes.
pub const MAX_HEAD: usize = 32 * 1024;

/// The most header fields in a request.
const MAX_HEADERS: usize = 100;

/// Serves a connection to its end, in the place that it has.
pub async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    place: Place,
    router: Router,
    patience: Patience,
    stop: CancellationToken,
) {
    let is_served = place.turned_away.is_none();
    let served = run(stream, peer, place.turned_away, router, patience, stop);
    if is_served {
        served.await;
    } else if tokio::time::timeout(TURNED_AWAY, served).await.is_err() {
        tracing::debug!("a connection ended: it was turned away and did not go");
    }
}

async fn run(
    stream: TcpStream,
    peer: SocketAddr,
    turned_away: Option<TurnedAway>,
    router: Router,
    patience: Patience,
    stop: CancellationToken,
) {
    let asked = Arc::new(AtomicBool::new(false));
    let answer = service_fn({
        let asked = Arc::clone(&asked);
        move |mut request: hyper::Request<Incoming>| {
            asked.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(ConnectInfo(peer));
            if let Some(turned_away) = turned_away {
                request.extensions_mut().insert(turned_away);
            }
            let router = router.clone();
            async move { Ok::<_, Infallible>(router.oneshot(request).await.unwrap_or_else(|never| match never {})) }
        }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(IDLE)
            .keep_alive(turned_away.is_none())
            .max_header_size(MAX_HEAD)
            .max_headers(MAX_HEADERS)
            .serve_connection(TokioIo::new(Impatient::new(stream, patience.unread)), answer)
            .with_upgrades()
    );
    let mut first_head = pin!(sleep(patience.first_head));
    let (mut may_be_silent, mut stopping) = (false, false);
    let ended = loop {
        tokio::select! {
            ended = connection.as_mut() => break ended,
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            () = first_head.as_mut(), if !may_be_silent => {
                may_be_silent = asked.load(Ordering::Relaxed);
                if !may_be_silent {
                    tracing::debug!("a connection ended: it asked for nothing");
                    return;
                }
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}
