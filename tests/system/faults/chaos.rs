//! Short runs of what `cargo xtask chaos` does for long. [`waypost_tests::chaos`] says what is checked.

use anyhow::Result;
use rstest::rstest;
use waypost_tests::Database;
use waypost_tests::chaos::{Options, run};

#[rstest]
#[tokio::test]
async fn three_kills_under_load_lose_nothing_double_nothing_and_every_status_is_true(
    #[values(Database::Sqlite, Database::Postgres)] database: Database,
) -> Result<()> {
    let options = Options { database, kills: 3, seed: 3, sessions: 2, recipients: 3, progress: false, log_level: None };
    let report = run(options).await?;
    assert!(report.violations.is_empty(), "{report}");
    assert!(report.counts.accepted > 0 && report.counts.stored > 0, "{report}");
    Ok(())
}
