//! The server with clients that behave, and with others.

use std::{future::pending, net::SocketAddr};

use axum::{Extension, extract::ConnectInfo, routing::get};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    task::JoinHandle,
};
use waypost_api::TurnedAway;

use super::{connection::MAX_HEAD, *};

fn limits(connections: usize) -> Limits {
    Limits {
        connections,
        per_address: None,
        proxies: TrustedProxies::default(),
        patience: Patience::default(),
        grace: Duration::from_secs(20),
    }
}

/// As the API does: a request for which there is no place is told so.
async fn hello(turned_away: Option<Extension<TurnedAway>>) -> String {
    turned_away.map_or_else(|| "ok".to_owned(), |Extension(why)| format!("{why:?}"))
}

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

/// The same, and the connection is kept.
const KEPT: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

#[tokio::test]
async fn a_handler_learns_who_is_calling() {
    let router = Router::new()
        .route("/", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() }));
    let (address, _stop, _server) = start(router, limits(10)).await;
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
    let (address, stop, server) = start(router, limits(10)).await;
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
    let (address, stop, server) =
        start(router, Limits { grace: Duration::from_millis(50), ..limits(max_connections) }).await;
    let _idle = TcpStream::connect(address).await.unwrap();
    let _endless = ask(address, GET).await;
    has_started.recv().await.unwrap();
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(20), server).await.expect("the grace was over").unwrap();
}

#[tokio::test]
async fn a_huge_head_is_refused() {
    let (address, _stop, _server) = start(Router::new().route("/", get(|| async { "ok" })), limits(10)).await;
    let request = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Filler: {}\r\n\r\n", "x".repeat(MAX_HEAD));
    let answer = rest(ask(address, &request).await).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn a_full_server_says_so_on_a_connection_of_the_reserve_and_closes_it() {
    let (address, _stop, _server) = start(Router::new().route("/", get(hello)), limits(1)).await;
    let mut first = ask(address, KEPT).await;
    let mut byte = [0];
    first.read_exact(&mut byte).await.unwrap();
    let answer = rest(ask(address, KEPT).await).await;
    assert!(answer.ends_with("ServerFull") && answer.contains("connection: close"), "{answer}");
    drop(first);
    let served = async {
        while !rest(ask(address, GET).await).await.ends_with("ok") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), served).await.expect("the place is free again");
}

#[tokio::test]
async fn an_address_with_all_its_connections_is_told_so_on_the_next() {
    let limits = Limits { per_address: Some(1), ..limits(10) };
    let (address, _stop, _server) = start(Router::new().route("/", get(hello)), limits).await;
    let mut first = ask(address, KEPT).await;
    let mut byte = [0];
    first.read_exact(&mut byte).await.unwrap();
    let answer = rest(ask(address, KEPT).await).await;
    assert!(answer.ends_with("AddressFull"), "{answer}");
}

#[rstest::rstest]
#[case::nothing("")]
#[case::half_a_head("GET / HTTP/1.1\r\nHost: x\r\n")]
#[tokio::test]
async fn a_connection_that_asks_for_nothing_is_closed(#[case] sent: &str) {
    let patience = Patience { first_head: Duration::from_millis(50), ..Patience::default() };
    let (address, _stop, _server) =
        start(Router::new().route("/", get(hello)), Limits { patience, ..limits(10) }).await;
    let closed = async { ask(address, sent).await.read_to_end(&mut Vec::new()).await };
    let closed = tokio::time::timeout(Duration::from_secs(20), closed).await.expect("it was not closed");
    assert_eq!(closed.unwrap_or_default(), 0);
}

#[tokio::test]
async fn a_connection_that_has_asked_once_may_rest_for_longer() {
    let patience = Patience { first_head: Duration::from_secs(1), ..Patience::default() };
    let router = Router::new()
        .route("/", get(hello))
        .route("/slow", get(|| async { tokio::time::sleep(Duration::from_millis(1200)).await }));
    let (address, _stop, _server) = start(router, Limits { patience, ..limits(10) }).await;
    let mut kept = ask(address, &KEPT.replace("GET /", "GET /slow")).await;
    let mut head = [0; 1024];
    let read = kept.read(&mut head).await.unwrap();
    assert!(read > 0, "the connection was closed under a request");
    kept.write_all(GET.as_bytes()).await.unwrap();
    assert!(rest(kept).await.ends_with("ok"));
}

/// Tells when a request is over, whatever became of it.
struct Over(mpsc::UnboundedSender<()>);

impl AsRef<[u8]> for Over {
    fn as_ref(&self) -> &[u8] {
        // More than the system's buffers on both sides hold.
        static LARGE: [u8; 32 << 20] = [b'x'; 32 << 20];
        &LARGE
    }
}

impl Drop for Over {
    fn drop(&mut self) {
        // The test may be over.
        let _ = self.0.send(());
    }
}

fn large_answer() -> (Router, mpsc::UnboundedReceiver<()>) {
    let (over, is_over) = mpsc::unbounded_channel();
    let router = Router::new().route(
        "/",
        get(move || {
            let answer = axum::body::Bytes::from_owner(Over(over.clone()));
            async move { answer }
        }),
    );
    (router, is_over)
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_given_up_with_its_memory() {
    let patience = Patience { unread: Duration::from_millis(100), ..Patience::default() };
    let (router, mut is_over) = large_answer();
    let (address, _stop, _server) = start(router, Limits { patience, ..limits(10) }).await;
    let _unread = ask(address, GET).await;
    let given_up = tokio::time::timeout(Duration::from_secs(20), is_over.recv()).await;
    assert_eq!(given_up.expect("it was kept"), Some(()));
}

#[tokio::test]
async fn an_answer_holds_its_memory_until_it_is_read_and_reading_it_takes_its_time() {
    let patience = Patience { unread: Duration::from_secs(2), ..Patience::default() };
    let (router, mut is_over) = large_answer();
    let (address, _stop, _server) = start(router, Limits { patience, ..limits(10) }).await;
    let mut reader = ask(address, GET).await;
    let mut piece = vec![0; 4 << 20];
    let mut read = 0;
    let started = tokio::time::Instant::now();
    // Slower in all than the patience with one that does not read at all.
    while started.elapsed() < Duration::from_millis(2500) {
        read += reader.read(&mut piece[..64 << 10]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(is_over.try_recv().is_err(), "the answer was let go of before it was written");
    loop {
        match reader.read(&mut piece).await.unwrap() {
            0 => break,
            more => read += more,
        }
    }
    assert!(read > 32 << 20, "{read} bytes came");
    assert_eq!(is_over.recv().await, Some(()));
}
