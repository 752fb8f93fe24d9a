//! Starting the loops, and stopping them so that nothing is lost.

use std::time::Duration;

use futures::future::join_all;
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{expire, retention, schedule, supervise};
use crate::{Gateway, GatewayError};

/// How long send calls that are under way may take to end.
const FINISH: Duration = Duration::from_secs(10);
/// How long the links together may take to close.
const CLOSE_LINKS: Duration = Duration::from_secs(5);

/// The running loops. Dropping it leaves them running until the token is cancelled.
#[must_use = "whoever starts the loops waits for their end"]
pub struct Loops {
    gateway: Gateway,
    supervision: JoinHandle<()>,
    recorder: JoinHandle<()>,
    /// Tells the recorder that nothing more will come.
    closing: CancellationToken,
}

impl Gateway {
    /// Recovers what an earlier process left behind, then starts the loops. When it returns the gateway may serve
    /// callers; sessions that were connected come back in the background. Called once.
    ///
    /// Cancelling `shutdown` starts the stop; [`Loops::stopped`] then waits for its end.
    pub async fn start(&self, shutdown: CancellationToken) -> Result<Loops, GatewayError> {
        let inner = self.inner.clone();
        let reset = inner.store.reset_session_states_system(inner.env.now()).await?;
        if reset > 0 {
            tracing::info!(sessions = reset, "sessions of an earlier process are disconnected");
        }
        inner.restore_client_version().await?;
        let folders = inner.folders().await?;
        inner.look_at_disk(&folders).await;
        let closing = CancellationToken::new();
        let recorder = tokio::spawn({
            let (inner, closing) = (inner.clone(), closing.clone());
            async move { inner.recorder.run(inner.store.clone(), closing).await }
        });
        let supervision = tokio::spawn({
            let stopping = inner.stopping.clone();
            async move {
                let resume = supervise::run(&inner);
                let retention = retention::run(&inner);
                let schedule = schedule::run(&inner);
                let expire = expire::run(&inner);
                let disk = inner.watch_disk(folders);
                let stop = async {
                    shutdown.cancelled().await;
                    stopping.cancel();
                };
                tokio::join!(resume, retention, schedule, expire, disk, stop);
            }
        });
        Ok(Loops { gateway: self.clone(), supervision, recorder, closing })
    }
}

impl Loops {
    /// Waits for the shutdown to be asked for, then stops in this order: nothing new is sent; what is in a send call
    /// ends, and acknowledgements that are on their way are awaited for a moment; the links close; what the network
    /// said is written. What is unfinished then is a row, and the next start goes on from it.
    pub async fn stopped(self) {
        let inner = &self.gateway.inner;
        // A panic in there was logged by the runtime's hook; the stop goes on.
        let _ = self.supervision.await;
        inner.tasks.close();
        if timeout(FINISH, inner.tasks.wait()).await.is_err() {
            tracing::warn!("some send calls did not end in time; their messages go out again after the start");
        }
        let open = inner.sessions.open();
        let links = open.iter().filter_map(|session| session.change(|live| live.link.take()));
        if timeout(CLOSE_LINKS, join_all(links.map(async |open| open.link.disconnect().await))).await.is_err() {
            tracing::warn!("some links did not close in time");
        }
        self.closing.cancel();
        let _ = self.recorder.await;
    }
}
