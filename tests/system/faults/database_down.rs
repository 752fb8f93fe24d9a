//! PostgreSQL dies under load, twice, and comes back.

use anyhow::Result;
use waypost_tests::chaos::{Load, Pace, World, judge};
use waypost_tests::{Database, Death, PostgresServer, Setup, eventually};

#[tokio::test]
async fn two_deaths_of_postgres_lose_nothing_that_was_answered_queued() -> Result<()> {
    let mut postgres = PostgresServer::start().await?;
    // Sqlite says that the harness makes no database; the address says where it is.
    let setup = Setup::on(Database::Sqlite).with("DATABASE_URL", &postgres.url());
    let world = World::start(setup, 2, 3).await?;
    let load = Load::start(&world, Pace { outbound: 60, inbound: 300, refusals: true, keys: true }, 1);
    for death in [Death::Killed, Death::Immediate] {
        load.wait_accepted(50).await;
        let refused = load.refused();
        postgres.die(death).await;
        eventually("accepts to be refused", async || (load.refused() > refused + 10).then_some(())).await;
        postgres.start_again().await?;
    }
    load.wait_accepted(50).await;
    let ledger = load.stop().await;
    let refusals: Vec<&String> = ledger.refusals.keys().collect();
    assert_eq!(refusals, ["503 NOT_READY"], "a database that is away is said to be away");
    let judged = judge(&world, &ledger).await?;
    assert!(judged.violations.is_empty(), "{}", judged.violations.join("\n"));
    Ok(())
}
