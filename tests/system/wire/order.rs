//! Messages of one session to one chat leave in the order in which they were accepted.

use anyhow::Result;
use rstest::rstest;
use waypost_tests::Database;

use super::Scene;

#[rstest]
#[tokio::test]
async fn a_hundred_messages_arrive_once_each_and_in_order(
    #[values(Database::Sqlite, Database::Postgres)] database: Database,
) -> Result<()> {
    let mut scene = Scene::on(database).await?;
    let wanted: Vec<String> = (0..100).map(|n| format!("message {n}")).collect();
    let mut ids = Vec::new();
    for text in &wanted {
        ids.push(scene.send(text).await);
    }
    for text in &wanted {
        scene.friend.wait_text(text).await;
    }
    let seen: Vec<String> = scene.friend.texts().into_iter().filter_map(|seen| seen.text).collect();
    assert_eq!(seen, wanted);
    for id in &ids {
        scene.ada.wait_message(id, "delivered").await;
    }
    Ok(())
}
