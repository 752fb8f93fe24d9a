//! PgBouncer between the server and PostgreSQL, as Debian packs it.

use anyhow::Result;
use rstest::rstest;
use waypost_tests::{Database, Pooler, Setup, Waypost};

#[rstest]
#[tokio::test]
async fn a_pooler_that_gives_the_session_away_is_refused_by_name(
    #[values("transaction", "statement")] mode: &str,
) -> Result<()> {
    let database = Waypost::start(Setup::on(Database::Postgres)).await?;
    let pooler = Pooler::start(&database.database_url(), mode).await?;
    for _ in 0..3 {
        let refusal = Waypost::refusal(Setup::on(Database::Sqlite).with("DATABASE_URL", pooler.url())).await?;
        assert!(refusal.contains("PgBouncer") && refusal.contains("pool_mode=session"), "{refusal}");
    }
    Ok(())
}

#[tokio::test]
async fn a_pooler_that_leaves_the_session_alone_works_and_keeps_others_out() -> Result<()> {
    let with_key = |setup: Setup| setup.with("WAYPOST_MASTER_KEY", &"ab".repeat(32));
    let mut database = Waypost::start(with_key(Setup::on(Database::Postgres))).await?;
    let url = database.database_url();
    let pooler = Pooler::start(&url, "session").await?;
    let on = |url: &str| with_key(Setup::on(Database::Sqlite)).with("DATABASE_URL", url);
    let refusal = Waypost::refusal(on(pooler.url())).await?;
    assert!(refusal.contains("another waypost uses this database"), "{refusal}");
    database.stop().await;

    let server = Waypost::start(on(pooler.url())).await?;
    let ada = server.register("ada").await?;
    let session = ada.sandbox().await;
    ada.wait_message(&ada.send_text(&session, "919876543210", "through a pooler").await, "read").await;
    let refusal = Waypost::refusal(on(&url)).await?;
    assert!(refusal.contains("another waypost uses this database"), "{refusal}");
    Ok(())
}
