//! Surviving a restart: everything that clients and phones rely on, in one file.
//!
//! The promise: what is written fits together (nothing is taken in while it is collected, and what was
//! taken in before is finished), and the file is either the old one or the new one, never half of one.
//! What happened after the last save is lost with the process; a clean end saves.
//!
//! Each part of the simulator says itself what it keeps, in a child module `saved` next to it. The
//! format is JSON with binary parts as base64: Signal records serialize themselves.

mod blob;

pub(crate) use blob::Blob;

use crate::account::SavedAccount;
use crate::certs::SavedIdentity;
use crate::core::Core;
use crate::directory::SavedNames;
use crate::groups::SavedGroups;
use crate::phone::{Job, Phone, SavedPhone};
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;
use tokio::sync::oneshot;

/// Changes with the format; another one is refused.
const FORMAT: u32 = 1;
/// What was begun before a save is finished within this time, or the save says that it is not whole.
const PATIENCE: Duration = Duration::from_secs(10);

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Saved {
    format: u32,
    pub(crate) identity: SavedIdentity,
    clock_offset_ms: i64,
    last_stanza_id: u64,
    accounts: Vec<(SavedAccount, Vec<SavedPhone>)>,
    names: SavedNames,
    groups: SavedGroups,
}

/// Reads what an earlier run saved; nothing when there is no file yet.
pub(crate) fn read(path: &Path) -> anyhow::Result<Option<Saved>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let saved: Saved =
        serde_json::from_slice(&bytes).with_context(|| format!("{} is no state of wa-sim", path.display()))?;
    anyhow::ensure!(saved.format == FORMAT, "{} has format {}, not {FORMAT}", path.display(), saved.format);
    Ok(Some(saved))
}

/// Brings a new simulator to what was saved.
pub(crate) fn restore(core: &Core, saved: Saved) -> anyhow::Result<()> {
    core.clock.shift(saved.clock_offset_ms);
    core.restore_stanza_id(saved.last_stanza_id);
    for (account, phones) in saved.accounts {
        core.restore_account(account, phones)?;
    }
    core.directory.restore_names(saved.names);
    core.groups.restore(core, saved.groups)
}

/// Holds everything still and writes it down. It goes on only after [`Works::resume`](crate::works::Works::resume).
///
/// The `last` save clears the rules first, so that what they hold back is not lost with them.
pub(crate) async fn save(core: &Core, path: &Path, last: bool) -> anyhow::Result<()> {
    let mut quiet = core.works.pause(PATIENCE).await;
    if last && core.faults.any() {
        core.faults.clear();
        quiet = core.works.pause(PATIENCE).await;
    }
    let saved = collect(core).await;
    let bytes = serde_json::to_vec(&saved?)?;
    write(path, &bytes).with_context(|| format!("cannot write {}", path.display()))?;
    anyhow::ensure!(quiet, "saved, but some messages were still on their way to phones");
    Ok(())
}

async fn collect(core: &Core) -> anyhow::Result<Saved> {
    let mut accounts = Vec::new();
    for account in core.directory.all() {
        let mut phones = vec![collect_phone(account.phone()).await?];
        for device in account.devices() {
            if let Some(player) = &device.player {
                phones.push(collect_phone(player).await?);
            }
        }
        accounts.push((account.save(), phones));
    }
    Ok(Saved {
        format: FORMAT,
        identity: core.identity.save(),
        clock_offset_ms: core.clock.offset(),
        last_stanza_id: core.last_stanza_id(),
        accounts,
        names: core.directory.save_names(),
        groups: core.groups.save(),
    })
}

async fn collect_phone(phone: &Phone) -> anyhow::Result<SavedPhone> {
    let (done, state) = oneshot::channel();
    phone.post(Job::Save(done)).await;
    let state = state.await.context("a phone is gone")??;
    Ok(phone.save(state))
}

/// Whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut name = path.file_name().context("not a file name")?.to_owned();
    name.push(".new");
    let temporary = path.with_file_name(name);
    let mut file = std::fs::File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    Ok(())
}
