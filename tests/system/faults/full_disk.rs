//! The disk fills up under load, and is freed.

use anyhow::{Result, ensure};
use tokio::process::Command;
use waypost_tests::chaos::{Load, Pace, World, judge};
use waypost_tests::{Database, Setup, Waypost, eventually};

/// What a file may still grow by when the disk is "full".
const LEFT: u64 = 64 * 1024;

/// Lets no file of the server grow past `bytes`: its writes beyond fail as they do on a full disk. Needs no rights.
async fn limit_files(server: &Waypost, bytes: &str) -> Result<()> {
    let pid = server.process_id().expect("the server runs").to_string();
    // The colon: the soft limit alone, which can be raised again.
    let done = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}:")]).status().await?;
    ensure!(done.success(), "prlimit failed");
    Ok(())
}

#[tokio::test]
async fn a_full_disk_is_answered_with_an_error_and_nothing_that_was_answered_queued_is_lost() -> Result<()> {
    // A write past the limit also sends a signal, which a full disk does not.
    let setup = Setup::on(Database::Sqlite).after("trap '' XFSZ");
    let world = World::start(setup, 2, 3).await?;
    let load = Load::start(&world, Pace { outbound: 60, inbound: 300, refusals: true, keys: true }, 1);
    load.wait_accepted(50).await;
    let mut largest = 0;
    for file in std::fs::read_dir(world.server.data_folder().join("data"))? {
        largest = largest.max(file?.metadata()?.len());
    }
    limit_files(&world.server, &(largest + LEFT).to_string()).await?;
    eventually("accepts to be refused", async || (load.refused() > 5).then_some(())).await;
    limit_files(&world.server, "unlimited").await?;
    load.wait_accepted(50).await;

    let ledger = load.stop().await;
    let refusals: Vec<&String> = ledger.refusals.keys().collect();
    assert_eq!(refusals, ["503 NOT_READY"], "a database that cannot write is said to be unable to");
    // What came in while the database could not take it comes again with the next connection.
    for session in 0..world.sessions.len() {
        world.cut(session).await?;
    }
    let judged = judge(&world, &ledger).await?;
    assert!(judged.violations.is_empty(), "{}", judged.violations.join("\n"));
    Ok(())
}
