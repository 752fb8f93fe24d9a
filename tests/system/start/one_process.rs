//! One process, one database: whichever data folder, whichever name of the file.

use anyhow::Result;
use sea_orm::{ConnectionTrait, Database as Connection, DatabaseConnection, Statement};
use serde_json::Value;
use waypost_tests::{Client, Database, Setup, Tenant, Waypost, eventually};

/// Two processes with folders of their own have the same keys, as two pods have.
fn with_keys(setup: Setup) -> Setup {
    setup.with("WAYPOST_MASTER_KEY", &"ab".repeat(32)).with("WAYPOST_TOKEN_KEY", &"cd".repeat(32))
}

/// A second process on the database of `first`.
fn second(first: &Waypost) -> Setup {
    with_keys(Setup::on(Database::Sqlite)).with("DATABASE_URL", &first.database_url())
}

/// The same person at another server.
fn at(tenant: &Tenant, server: &Waypost) -> Tenant {
    let moved = |client: &Client| server.client().with(client.credential.clone());
    Tenant { person: moved(&tenant.person), server: moved(&tenant.server), ..tenant.clone() }
}

/// The session of PostgreSQL that holds the lock.
const HOLDER: &str = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid::bigint = 9297680 \
                      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

async fn holder(raw: &DatabaseConnection) -> Result<i32> {
    let row = raw.query_one_raw(Statement::from_string(raw.get_database_backend(), HOLDER)).await?;
    Ok(row.expect("somebody has it").try_get_by_index(0)?)
}

#[tokio::test]
async fn a_rolling_update_on_one_postgres_leaves_every_session_as_it_was() -> Result<()> {
    let mut first = Waypost::start(with_keys(Setup::on(Database::Postgres))).await?;
    let ada = first.register("ada").await?;
    let (on, off) = (ada.sandbox().await, ada.create_session("off", "sandbox").await);
    let sessions = async |ada: &Tenant| -> (Value, Value) { (ada.session(&on).await, ada.session(&off).await) };
    let before = sessions(&ada).await;

    for _ in 0..2 {
        let refusal = Waypost::refusal(second(&first)).await?;
        assert!(refusal.contains("another waypost uses this database"), "{refusal}");
        let pid = first.process_id().expect("the first runs");
        assert!(refusal.contains(&format!("process {pid} on ")), "{refusal}");
    }
    assert_eq!(sessions(&ada).await, before);
    ada.wait_message(&ada.send_text(&on, "919876543210", "still here").await, "read").await;

    let setup = second(&first);
    first.stop().await;
    let next = Waypost::start(setup).await?;
    let ada = at(&ada, &next);
    ada.wait_session(&on, "connected").await;
    assert_eq!(ada.session(&off).await["status"], before.1["status"]);
    ada.wait_message(&ada.send_text(&on, "919876543210", "here again").await, "read").await;
    Ok(())
}

#[tokio::test]
async fn after_a_kill_the_next_process_starts_at_once() -> Result<()> {
    let mut first = Waypost::start(with_keys(Setup::on(Database::Postgres))).await?;
    let setup = second(&first);
    first.crash().await;
    Waypost::start(setup).await?;
    Ok(())
}

#[tokio::test]
async fn a_process_whose_lock_went_to_another_stops_with_a_word() -> Result<()> {
    let mut first = Waypost::start(with_keys(Setup::on(Database::Postgres))).await?;
    let ada = first.register("ada").await?;
    let session = ada.sandbox().await;
    let url = first.database_url();
    let (raw, other) = (Connection::connect(&url).await?, Connection::connect(&url).await?);
    let in_line = tokio::spawn(async move {
        let lock = "SELECT pg_advisory_lock((9297680::bigint << 32) | current_schema()::regnamespace::oid::bigint)";
        other.execute_unprepared(lock).await?;
        Ok::<_, sea_orm::DbErr>(other)
    });
    let waiting = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND classid::bigint = 9297680 \
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    eventually("the other to be in line", async || {
        raw.query_one_raw(Statement::from_string(raw.get_database_backend(), waiting)).await.ok().flatten()
    })
    .await;
    let ours = holder(&raw).await?;
    raw.execute_unprepared(&format!("SELECT pg_terminate_backend({ours})")).await?;
    let _other = in_line.await??;
    let status = first.ended().await;
    assert!(!status.success(), "{status}");
    assert!(first.log().contains("another waypost uses this database"), "{}", first.log());
    let row = format!("SELECT status FROM sessions WHERE id::text = '{session}'");
    let row = raw.query_one_raw(Statement::from_string(raw.get_database_backend(), row)).await?.expect("a session");
    assert_eq!(row.try_get_by_index::<String>(0)?, "connected", "the row is the other process's now");
    Ok(())
}

#[tokio::test]
async fn a_lock_that_nobody_else_took_is_taken_again_and_work_goes_on() -> Result<()> {
    let first = Waypost::start(Setup::on(Database::Postgres)).await?;
    let ada = first.register("ada").await?;
    let session = ada.sandbox().await;
    let raw = Connection::connect(first.database_url()).await?;
    let before = holder(&raw).await?;
    raw.execute_unprepared(&format!("SELECT pg_terminate_backend({before})")).await?;
    eventually("the lock to be taken again", async || {
        let held = Statement::from_string(raw.get_database_backend(), HOLDER);
        let row = raw.query_one_raw(held).await.ok()??;
        row.try_get_by_index::<i32>(0).ok().filter(|now| *now != before)
    })
    .await;
    ada.wait_message(&ada.send_text(&session, "919876543210", "again").await, "read").await;
    Ok(())
}

#[tokio::test]
async fn one_sqlite_file_is_one_database_by_whatever_name() -> Result<()> {
    let place = tempfile::tempdir()?;
    std::fs::create_dir(place.path().join("real"))?;
    std::os::unix::fs::symlink(place.path().join("real"), place.path().join("folder"))?;
    std::os::unix::fs::symlink(place.path().join("real/waypost.db"), place.path().join("link.db"))?;
    let on = |name: &str| {
        let url = format!("sqlite://{}", place.path().join(name).display());
        with_keys(Setup::on(Database::Sqlite)).with("DATABASE_URL", &url)
    };
    let mut first = Waypost::start(on("real/waypost.db")).await?;
    for name in ["real/waypost.db", "folder/waypost.db", "link.db"] {
        let refusal = Waypost::refusal(on(name)).await?;
        assert!(refusal.contains("another waypost uses the database"), "{refusal}");
        assert!(refusal.contains(&format!("process {} on ", first.process_id().expect("it runs"))), "{refusal}");
    }
    first.crash().await;
    Waypost::start(on("link.db")).await?;
    Ok(())
}
