//! The disk fills up under load, and is freed.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;
use waypost_tests::chaos::{Load, Pace, World, judge};
use waypost_tests::{Database, Setup, Waypost, eventually};

/// Starts the server on a data folder that is a file system of 24 MiB, in a name space of its own: needs no rights where
/// the machine lets everybody make one.
pub(super) const SMALL_DISK: &str = r#"mkdir -p data; exec unshare --map-root-user --mount sh -c \
    'mount -t tmpfs -o size=24m none data && exec "$0" "$@"' "$0" "$@""#;

/// Lets no file of the server grow past `bytes`: its writes beyond fail as they do on a full disk. Needs no rights.
async fn limit_files(server: &Waypost, bytes: &str) -> Result<()> {
    let pid = server.process_id().expect("the server runs").to_string();
    // The colon: the soft limit alone, which can be raised again.
    let done = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}:")]).status().await?;
    ensure!(done.success(), "prlimit failed");
    Ok(())
}

/// A file on the server's own file system that takes what is left of it, but for so many bytes.
pub(super) fn fill(server: &Waypost, left: u64) -> Result<PathBuf> {
    let pid = server.process_id().expect("the server runs");
    let filler = PathBuf::from(format!("/proc/{pid}/root{}/data/filler", server.data_folder().display()));
    let mut file = std::fs::File::create(&filler).context("cannot reach the server's file system")?;
    for size in [65_536, 512] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
    file.set_len(file.metadata()?.len().saturating_sub(left))?;
    Ok(filler)
}

/// Whether this machine lets the tests make a file system.
pub(super) async fn can_mount() -> bool {
    let tried = Command::new("unshare")
        .args(["--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"])
        .output()
        .await;
    tried.is_ok_and(|tried| tried.status.success())
}

fn load(world: &World) -> Load {
    Load::start(world, Pace { outbound: 60, inbound: 300, refusals: true, keys: true }, 1)
}

/// What was refused was refused as it should be, and what was accepted arrived.
async fn judged(world: &World, load: Load) -> Result<()> {
    load.wait_accepted(50).await;
    let ledger = load.stop().await;
    let refusals: Vec<&String> = ledger.refusals.keys().collect();
    assert_eq!(refusals, ["503 NOT_READY"], "a database that cannot write is said to be unable to");
    let judged = judge(world, &ledger).await?;
    assert!(judged.violations.is_empty(), "{}", judged.violations.join("\n"));
    Ok(())
}

#[tokio::test]
async fn a_full_disk_is_answered_with_an_error_and_nothing_that_was_answered_queued_is_lost() -> Result<()> {
    // A write past the limit also sends a signal, which a full disk does not.
    let setup = Setup::on(Database::Sqlite).after("trap '' XFSZ");
    let world = World::start(setup, 2, 3).await?;
    let load = load(&world);
    load.wait_accepted(50).await;
    // Where the log beside the database is longer than that already, the next write fails; else it grows until it is.
    let database = std::fs::metadata(world.server.data_folder().join("data/waypost.db"))?.len();
    limit_files(&world.server, &database.to_string()).await?;
    eventually("accepts to be refused", async || (load.refused() > 5).then_some(())).await;
    limit_files(&world.server, "unlimited").await?;
    judged(&world, load).await
}

#[tokio::test]
async fn a_full_file_system_likewise() -> Result<()> {
    if !can_mount().await {
        eprintln!("not tried: this machine does not let its users mount a file system in a name space of their own");
        return Ok(());
    }
    // What is tried is the disk that fails, not the mark before it.
    let setup = Setup::on(Database::Sqlite).with("WAYPOST_MIN_FREE_DISK", "0MiB").after(SMALL_DISK);
    let world = World::start(setup, 2, 3).await?;
    let load = load(&world);
    load.wait_accepted(50).await;
    let filler = fill(&world.server, 0)?;
    eventually("accepts to be refused", async || (load.refused() > 5).then_some(())).await;
    std::fs::remove_file(filler)?;
    judged(&world, load).await
}
