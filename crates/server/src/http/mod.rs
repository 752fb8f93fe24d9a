//! The HTTP server: connections in, requests to the router, with limits on all of it.
//!
//! What it promises: a client that is slow to send its head, sends a huge one, or opens too many connections costs a
//! bounded amount and delays nobody who is connected; at shutdown no request that was being answered is cut off within
//! the grace.

use std::{convert::Infallible, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{Router, extract::ConnectInfo};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

/// How long a client may take to send a request's head; also how long an idle connection is kept. Longer than the
/// 60 s for which common proxies and clients keep theirs, so that they close first and no request meets a closed door.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

/// The longest head of a request, in bytes.
const MAX_HEAD: usize = 32 * 1024;

/// The most header fields in a request.
const MAX_HEADERS: usize = 100;

/// How long accepting pauses when the system has no room for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What bounds the server.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at a time; more wait to be accepted.
    pub max_connections: usize,
    /// How long requests may take to finish once the server is told to stop.
    pub grace: Duration,
}

/// Serves until `stop` is cancelled, then finishes the requests that are being answered.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, stop: CancellationToken) {
    let room = Arc::new(Semaphore::new(limits.max_connections));
    let connections = TaskTracker::new();
    loop {
        let next = async {
            let place = Arc::clone(&room).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            next = next => next,
        };
        match accepted {
            Ok((stream, peer)) => {
                let connection = connection(stream, peer, router.clone(), stop.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(place);
                });
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

async fn connection(stream: TcpStream, peer: SocketAddr, router: Router, stop: CancellationToken) {
    // Answers are small and written whole: waiting to fill a packet would only add delay.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let answer = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        let router = router.clone();
        async move { Ok::<_, Infallible>(router.oneshot(request).await.unwrap_or_else(|never| match never {})) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_header_size(MAX_HEAD)
            .max_headers(MAX_HEADERS)
            .serve_connection(TokioIo::new(stream), answer)
            .with_upgrades()
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        sync::mpsc,
        task::JoinHandle,
    };

    use super::*;

    const LIMITS: Limits = Limits { max_connections: 10, grace: Duration::from_secs(20) };

    async fn start(router: Router, limits: Limits) -> (SocketAddr, CancellationToken, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        (address, stop.clone(), tokio::spawn(serve(listener, router, limits, stop)))
    }

    async fn ask(address: SocketAddr, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    async fn rest(mut stream: TcpStream) -> String {
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    }

    const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

    #[tokio::test]
    async fn a_handler_learns_who_is_calling() {
        let router = Router::new()
            .route("/", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() }));
        let (address, _stop, _server) = start(router, LIMITS).await;
        assert!(rest(ask(address, GET).await).await.ends_with("127.0.0.1"));
    }

    #[tokio::test]
    async fn a_request_that_is_being_answered_is_finished_at_shutdown_and_no_other_is_taken() {
        let (started, mut has_started) = mpsc::channel::<()>(1);
        let (finish, may_finish) = tokio::sync::watch::channel(false);
        let router = Router::new().route(
            "/",
            get(move || {
                let (started, mut may_finish) = (started.clone(), may_finish.clone());
                async move {
                    started.send(()).await.unwrap();
                    may_finish.wait_for(|finish| *finish).await.unwrap();
                    "finished"
                }
            }),
        );
        let (address, stop, server) = start(router, LIMITS).await;
        let slow = ask(address, GET).await;
        has_started.recv().await.unwrap();
        stop.cancel();
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        assert!(!server.is_finished());
        finish.send(true).unwrap();
        assert!(rest(slow).await.ends_with("finished"));
        server.await.unwrap();
    }

    #[rstest::rstest]
    #[case::with_room_for_more(10)]
    #[case::full(2)]
    #[tokio::test]
    async fn an_idle_connection_and_an_endless_request_do_not_hold_up_a_shutdown(#[case] max_connections: usize) {
        let (started, mut has_started) = mpsc::channel::<()>(1);
        let router = Router::new().route(
            "/",
            get(move || {
                let started = started.clone();
                async move {
                    started.send(()).await.unwrap();
                    pending::<()>().await;
                }
            }),
        );
        let (address, stop, server) = start(router, Limits { grace: Duration::from_millis(50), max_connections }).await;
        let _idle = TcpStream::connect(address).await.unwrap();
        let _endless = ask(address, GET).await;
        has_started.recv().await.unwrap();
        stop.cancel();
        tokio::time::timeout(Duration::from_secs(20), server).await.expect("the grace was over").unwrap();
    }

    #[tokio::test]
    async fn a_huge_head_is_refused() {
        let (address, _stop, _server) = start(Router::new().route("/", get(|| async { "ok" })), LIMITS).await;
        let request = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Filler: {}\r\n\r\n", "x".repeat(MAX_HEAD));
        let answer = rest(ask(address, &request).await).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }

    #[tokio::test]
    async fn past_the_limit_a_connection_waits_until_another_ends() {
        let limits = Limits { max_connections: 1, ..LIMITS };
        let (address, _stop, _server) = start(Router::new().route("/", get(|| async { "ok" })), limits).await;
        let mut first = ask(address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let mut byte = [0];
        first.read_exact(&mut byte).await.unwrap();
        let mut second = ask(address, GET).await;
        let early = tokio::time::timeout(Duration::from_millis(50), second.read(&mut byte)).await;
        assert!(early.is_err(), "the second connection was served beside the first");
        drop(first);
        assert!(rest(second).await.ends_with("ok"));
    }
}
