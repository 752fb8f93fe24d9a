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
    assert_eq!(scene.texts_at_the_friend(), wanted);
    for id in &ids {
        scene.ada.wait_message(id, "delivered").await;
    }
    Ok(())
}
