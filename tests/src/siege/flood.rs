//! What strangers send.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use reqwest::{Client, RequestBuilder, header};
use serde_json::json;
use tokio::{io::AsyncReadExt, net::TcpSocket, task::JoinSet};

use super::ATTACKER;
use crate::client::http_client;

/// How long a refused connection waits before it tries again: a flood, but not one that only spins on this side.
const AGAIN: Duration = Duration::from_millis(20);

/// A kind of flood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flood {
    /// Connections that say nothing.
    Connections,
    /// Registrations, each of another e-mail.
    Registrations,
    /// Logins with a wrong password.
    Logins,
    /// Refresh tokens of the right form that nobody was given.
    Refreshes,
    /// API keys of the right form that nobody was given.
    Keys,
    /// The largest file of the documentation, to be compressed.
    Docs,
}

impl Flood {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Connections, Self::Registrations, Self::Logins, Self::Refreshes, Self::Keys, Self::Docs];

    /// The next request of this kind; `number` is another one each time.
    fn request(self, http: &Client, base: &str, number: u64) -> RequestBuilder {
        match self {
            Self::Connections => http.get(format!("{base}/health/live")),
            Self::Registrations => http.post(format!("{base}/api/auth/register")).json(&json!({
                "name": "Mallory", "email": format!("mallory{number}@example.com"),
                "password": "correct horse battery staple", "businessName": "Mallory Ltd",
            })),
            Self::Logins => http
                .post(format!("{base}/api/auth/login"))
                .json(&json!({"email": "ada@example.com", "password": format!("wrong {number}")})),
            Self::Refreshes => http
                .post(format!("{base}/api/auth/refresh"))
                .json(&json!({"refreshToken": format!("awr_{number:043}")})),
            Self::Keys => {
                http.get(format!("{base}/api/external/messages")).header("X-API-Key", format!("awp_{number:043}"))
            }
            Self::Docs => {
                http.get(format!("{base}/api/docs/swagger-ui-bundle.js")).header(header::ACCEPT_ENCODING, "gzip")
            }
        }
    }
}

/// How often the flood was answered with which status; 0 counts connections that were refused or cut.
pub type Answers = BTreeMap<u16, u64>;

/// A flood that goes on until it is stopped.
pub struct Siege {
    stop: Arc<AtomicBool>,
    workers: JoinSet<Answers>,
}

/// Starts `connections` workers, shared evenly by the kinds.
pub fn start(base: &str, floods: &[Flood], connections: usize) -> Result<Siege> {
    let stop = Arc::new(AtomicBool::new(false));
    let numbers = Arc::new(AtomicU64::new(0));
    let http = http_client(Some(ATTACKER))?;
    let mut workers = JoinSet::new();
    for flood in floods.iter().copied().cycle().take(connections) {
        let (http, base, stop, numbers) = (http.clone(), base.to_owned(), Arc::clone(&stop), Arc::clone(&numbers));
        workers.spawn(async move {
            let mut answers = Answers::new();
            while !stop.load(Ordering::Relaxed) {
                let status = match flood {
                    Flood::Connections => silent_connection(&base, &stop).await,
                    _ => ask(flood.request(&http, &base, numbers.fetch_add(1, Ordering::Relaxed))).await,
                };
                if status == 0 {
                    tokio::time::sleep(AGAIN).await;
                }
                *answers.entry(status).or_default() += 1;
            }
            answers
        });
    }
    Ok(Siege { stop, workers })
}

impl Siege {
    /// Ends it, and says how it was answered.
    pub async fn stop(mut self) -> Answers {
        self.stop.store(true, Ordering::Relaxed);
        let mut answers = Answers::new();
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        // A request that hangs for longer is part of no measurement any more.
        while let Ok(Some(Ok(worker))) = tokio::time::timeout_at(deadline, self.workers.join_next()).await {
            for (status, count) in worker {
                *answers.entry(status).or_default() += count;
            }
        }
        answers
    }
}

async fn ask(request: RequestBuilder) -> u16 {
    let Ok(response) = request.send().await else { return 0 };
    let status = response.status().as_u16();
    // The whole answer, as a client that keeps its connection reads it.
    response.bytes().await.map_or(0, |_| status)
}

/// Opens a connection, says nothing, and waits until the server ends it.
async fn silent_connection(base: &str, stop: &AtomicBool) -> u16 {
    let connect = async {
        let address = base.trim_start_matches("http://").parse().map_err(std::io::Error::other)?;
        let socket = TcpSocket::new_v4()?;
        socket.bind((ATTACKER, 0).into())?;
        socket.connect(address).await
    };
    let Ok(mut stream) = connect.await else { return 0 };
    let mut byte = [0];
    while !stop.load(Ordering::Relaxed) {
        if tokio::time::timeout(Duration::from_millis(200), stream.read(&mut byte)).await.is_ok() {
            return 0;
        }
    }
    0
}
