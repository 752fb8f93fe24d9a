//! Supervise: sessions that should be connected come back after a start, without a new QR code, and not all at once.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use tokio::time::{sleep, timeout};
use waypost_domain::{Env, Session, SessionStatus};

use crate::Inner;

/// How many sessions may be on their way to `connected` at once.
const AT_ONCE: usize = 16;
/// How long one of them may keep the next waiting.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest pause before a session's turn. Many logins from one address in one moment look like an attack.
const LONGEST_PAUSE_MILLIS: u64 = 200;
/// How long to wait after the database failed.
const RETRY: Duration = Duration::from_secs(1);

/// Brings back every session that is wanted and linked.
pub(super) async fn resume(inner: &Arc<Inner>) {
    let work = async {
        let sessions = to_resume(inner).await;
        if !sessions.is_empty() {
            tracing::info!(sessions = sessions.len(), "sessions come back");
        }
        stream::iter(sessions).for_each_concurrent(AT_ONCE, |session| resume_one(inner, session)).await;
    };
    tokio::select! {
        () = work => {}
        () = inner.stopping.cancelled() => {}
    }
}

async fn to_resume(inner: &Inner) -> Vec<Session> {
    loop {
        match inner.store.sessions_to_resume_system().await {
            Ok(sessions) => return sessions,
            Err(error) => {
                tracing::error!(%error, "sessions cannot come back because the database failed; trying again");
                sleep(RETRY).await;
            }
        }
    }
}

async fn resume_one(inner: &Arc<Inner>, row: Session) {
    sleep(jitter(&inner.env)).await;
    let session = inner.sessions.remember(row);
    // A caller may have been faster, with a connect or with a disconnect.
    if !session.live().state.wanted {
        return;
    }
    if let Err(error) = inner.connect(&session).await {
        tracing::error!(tenant.id = %session.tenant_id, session.id = %session.id, %error, "a session did not come back");
        return;
    }
    // One that takes long goes on by itself; it only makes room for the next.
    let _ = timeout(PATIENCE, session.until(|live| live.state.status != SessionStatus::Connecting)).await;
}

fn jitter(env: &Env) -> Duration {
    Duration::from_millis(u64::from(u16::from_le_bytes(env.bytes())) * LONGEST_PAUSE_MILLIS / u64::from(u16::MAX))
}
