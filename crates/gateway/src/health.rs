//! Readiness: whether requests can be served, and what keeps them from it.
//!
//! It guarantees that
//! - the answer is true: a reader answers, the writer commits (its last commit is at most a second old, or it commits a
//!   row now), its queue has places, and the disk has room;
//! - the answer comes, whatever the database does: each question has a time limit;
//! - asking costs little: an answer is kept for a second.
//!
//! While the disk has less room than it must, no message is accepted: what is on its way still has to be written.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use tokio::{
    sync::Mutex,
    time::{MissedTickBehavior, interval, timeout},
};
use waypost_store::StoreError;

use crate::{Gateway, GatewayError, Inner};

/// How long an answer is kept, and how old the writer's last commit may be.
const KEPT: Duration = Duration::from_secs(1);
/// How long the database may take to answer a question.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the room on the disk is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The last answer, and when it was given.
#[derive(Debug, Default)]
pub(crate) struct Readiness(Mutex<Option<(Instant, Result<(), String>)>>);

/// The room on the disks that are written to.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    is_full: AtomicBool,
}

impl Gateway {
    /// Whether requests can be served.
    ///
    /// # Errors
    /// [`GatewayError::NotReady`] with what keeps them from it.
    pub async fn ready(&self) -> Result<(), GatewayError> {
        let inner = &self.inner;
        let mut last = inner.readiness.0.lock().await;
        let answer = match &*last {
            Some((at, answer)) if at.elapsed() < KEPT => answer.clone(),
            _ => {
                let answer = inner.look_whether_ready().await;
                let was_ready = last.as_ref().is_none_or(|(_, before)| before.is_ok());
                if let Err(why) = &answer
                    && was_ready
                {
                    tracing::warn!(%why, "not ready");
                }
                *last = Some((Instant::now(), answer.clone()));
                answer
            }
        };
        answer.map_err(GatewayError::NotReady)
    }
}

impl Inner {
    async fn look_whether_ready(&self) -> Result<(), String> {
        self.has_room().map_err(|error| error.to_string())?;
        let in_time = |answered: Result<Result<(), StoreError>, _>, why: &str| match answered {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::debug!(%error, why);
                Err(why.to_owned())
            }
            Err(_) => Err(format!("{why} within {} s", PATIENCE.as_secs())),
        };
        in_time(timeout(PATIENCE, self.store.ping()).await, "The database does not answer")?;
        if self.store.writes_wait_for_a_place() {
            return Err("The queue of what is to be written is full".to_owned());
        }
        in_time(timeout(PATIENCE, self.store.prove_writer(KEPT)).await, "The database does not commit")
    }

    /// Whether there is room for new messages.
    pub(crate) fn has_room(&self) -> Result<(), GatewayError> {
        if self.disk.is_full.load(Ordering::Relaxed) {
            let least = self.config.min_free_disk / (1024 * 1024);
            return Err(GatewayError::NotReady(format!("The server's disk has less than {least} MiB free")));
        }
        Ok(())
    }

    /// Looks at the room on the disks, and says so in the log when that changes.
    pub(crate) async fn look_at_disk(&self, folders: &[PathBuf]) {
        let (folders, least) = (folders.to_vec(), self.config.min_free_disk);
        let looked = tokio::task::spawn_blocking(move || folders.into_iter().find(|folder| free(folder) < least)).await;
        let Ok(full) = looked else { return };
        let was_full = self.disk.is_full.swap(full.is_some(), Ordering::Relaxed);
        match full {
            Some(folder) if !was_full => tracing::error!(
                folder = %folder.display(), least_bytes = least,
                "the disk is nearly full: no message is accepted until there is room (setting min_free_disk)"
            ),
            None if was_full => tracing::info!("the disk has room again; messages are accepted"),
            _ => {}
        }
    }

    /// The folders that are written to: those of the configuration, and the database's if it is a file.
    pub(crate) async fn folders(&self) -> Result<Vec<PathBuf>, GatewayError> {
        let mut folders = self.config.folders.clone();
        folders.extend(self.store.file().await?.and_then(|file| file.parent().map(PathBuf::from)));
        Ok(folders)
    }

    /// Watches the room on the disks until the process stops.
    pub(crate) async fn watch_disk(&self, folders: Vec<PathBuf>) {
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.look_at_disk(&folders).await,
                () = self.stopping.cancelled() => return,
            }
        }
    }
}

/// Bytes that this user may still write in a folder. A folder that cannot be asked says nothing about room.
fn free(folder: &PathBuf) -> u64 {
    rustix::fs::statvfs(folder).map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}
