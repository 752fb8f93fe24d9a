//! The disk fills up under load, and is freed.

use anyhow::{Result, ensure};
use tokio::process::Command;
use waypost_tests::chaos::{Load, Pace, World, judge};
use waypost_tests::{Database, Setup, Waypost, eventually};

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
    // Where the log beside the database is longer than that already, the next write fails; else it grows until it is.
    let database = std::fs::metadata(world.server.data_folder().join("data/waypost.db"))?.len();
    limit_files(&world.server, &database.to_string()).await?;
    eventually("accepts to be refused", async || (load.refused() > 5).then_some(())).await;
    limit_files(&world.server, "unlimited").await?;
    load.wait_accepted(50).await;

    let ledger = load.stop().await;
    let refusals: Vec<&String> = ledger.refusals.keys().collect();
    assert_eq!(refusals, ["503 NOT_READY"], "a database that cannot write is said to be unable to");
    let judged = judge(&world, &ledger).await?;
    assert!(judged.violations.is_empty(), "{}", judged.violations.join("\n"));
    Ok(())
}
