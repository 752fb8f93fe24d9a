//! The listener: plain or TLS, HTTP/1.1, and the upgrade to WebSocket at `/ws/chat`.

use crate::core::Core;
use crate::network::{Connection, Muted, Refusing};
use crate::{admin, socket};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Extension, Router};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_util::sync::CancellationToken;

/// The TLS handshake and the first request's head are due within this time.
const OPENING_TIMEOUT: Duration = Duration::from_secs(20);
/// Pause after a failed accept (out of file descriptors), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Everything that is served on the one port.
fn router(core: Arc<Core>) -> Router {
    Router::new().route("/ws/chat", get(upgrade)).merge(admin::router()).with_state(core)
}

/// Accepts connections until the simulator is shut down.
pub(crate) async fn run(core: Arc<Core>, listener: TcpListener, tls: Option<TlsAcceptor>) {
    let router = router(Arc::clone(&core));
    let mut refusing = core.network.watch_refusing();
    let mut listener = Some(listener);
    loop {
        let shut = refusing.borrow_and_update().is_some_and(|refuse| refuse.how == Refusing::NotListening);
        if shut {
            listener = None;
        } else if listener.is_none() {
            listener = listen_again(&core).await;
        }
        let accepted = tokio::select! {
            accepted = accept(listener.as_ref()) => accepted,
            _ = refusing.changed() => continue,
            () = core.shutdown.cancelled() => return,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (router, tls, shutdown) = (router.clone(), tls.clone(), core.shutdown.clone());
        let hang_up = CancellationToken::new();
        // A refused upgrade hangs up through this; a request finds it only while connects are refused.
        let router =
            if refusing.borrow().is_some() { router.layer(Extension(HangUp(hang_up.clone()))) } else { router };
        tokio::spawn(async move {
            tokio::select! {
                () = connection(stream, router, tls) => {}
                () = shutdown.cancelled() => {}
                () = hang_up.cancelled() => {}
            }
        });
    }
}

/// How a request ends the connection it came on.
#[derive(Clone)]
struct HangUp(CancellationToken);

async fn accept(listener: Option<&TcpListener>) -> std::io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

/// Takes the port again; somebody else may hold it for a moment.
async fn listen_again(core: &Core) -> Option<TcpListener> {
    loop {
        match TcpListener::bind(core.config.listen).await {
            Ok(listener) => return Some(listener),
            Err(error) => tracing::warn!(%error, "cannot listen again yet"),
        }
        tokio::select! {
            () = tokio::time::sleep(ACCEPT_PAUSE) => {}
            () = core.shutdown.cancelled() => return None,
        }
    }
}

async fn connection(stream: TcpStream, router: Router, tls: Option<TlsAcceptor>) {
    // Small stanzas are answered at once or not at all.
    let _ = stream.set_nodelay(true);
    match tls {
        None => serve_http(stream, router).await,
        Some(tls) => {
            if let Ok(Ok(stream)) = tokio::time::timeout(OPENING_TIMEOUT, tls.accept(stream)).await {
                serve_http(stream, router).await;
            }
        }
    }
}

async fn serve_http<S>(stream: S, router: Router)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let served = hyper::server::conn::http1::Builder::new()
        .timer(hyper_util::rt::TokioTimer::new())
        .header_read_timeout(OPENING_TIMEOUT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "http connection ended");
    }
}

/// Turns a request into a WebSocket. Done by hand rather than by axum's extractor because the buffers
/// of thousands of idle sockets have to be small.
async fn upgrade(State(core): State<Arc<Core>>, mut request: Request) -> Response<Body> {
    let Some(accept) = websocket_accept(request.headers()) else {
        return (StatusCode::UPGRADE_REQUIRED, "this is a WebSocket\n").into_response();
    };
    if let Some(refuse) = core.network.refusing() {
        core.network.login_book().connected(true);
        if let (Refusing::Close, Some(HangUp(hang_up))) = (refuse.how, request.extensions().get()) {
            hang_up.cancel();
            // An answer would be faster than the end.
            std::future::pending::<()>().await;
        }
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        if let Ok(upgraded) = upgraded.await {
            let connection: Arc<Connection> = core.network.open(core.shutdown.child_token());
            let stream = Muted::new(TokioIo::new(upgraded), Arc::clone(&connection.gate));
            let config = Some(socket::websocket_config());
            let socket = WebSocketStream::from_raw_socket(stream, Role::Server, config).await;
            socket::serve(core, socket, connection).await;
        }
    });
    (
        StatusCode::SWITCHING_PROTOCOLS,
        [
            (header::CONNECTION, "upgrade".to_owned()),
            (header::UPGRADE, "websocket".to_owned()),
            (header::SEC_WEBSOCKET_ACCEPT, accept),
        ],
    )
        .into_response()
}

fn websocket_accept(headers: &HeaderMap) -> Option<String> {
    let upgrade = headers.get(header::UPGRADE)?.to_str().ok()?;
    let key = headers.get(header::SEC_WEBSOCKET_KEY)?;
    upgrade.eq_ignore_ascii_case("websocket").then(|| derive_accept_key(key.as_bytes()))
}
