//! `Idempotency-Key`, as far as the recipient's phone: whatever a caller repeats, one message is shown.

use std::time::Duration;

use anyhow::Result;
use rstest::rstest;
use waypost_tests::{Answer, Database};

use super::stage::Stage;

/// Concurrent requests with one key.
const TWINS: usize = 50;

fn id(answer: &Answer) -> String {
    answer.body["data"]["id"].as_str().expect("an id").to_owned()
}

fn is_replay(answer: &Answer) -> bool {
    answer.headers.get("idempotency-replayed").is_some_and(|value| value == "true")
}

#[rstest]
#[tokio::test]
async fn concurrent_twins_and_a_retry_after_a_kill_are_one_message_on_the_phone(
    #[values(Database::Sqlite, Database::Postgres)] database: Database,
) -> Result<()> {
    let mut stage = Stage::on(database).await?;
    let answers = futures::future::join_all((0..TWINS).map(|_| stage.send("order 7", "once"))).await;
    assert!(answers.iter().all(|answer| answer.bytes == answers[0].bytes), "the twins got different answers");
    assert_eq!(answers.iter().filter(|answer| !is_replay(answer)).count(), 1);

    stage.server.crash_and_restart().await?;
    let again = stage.send("order 7", "once").await;
    assert!(is_replay(&again));
    assert_eq!(again.bytes, answers[0].bytes, "the answer changed in the crash");
    let other = stage.ada.server.send(stage.request("order 7", "twice")).await;
    assert_eq!(other.failure(422), "IDEMPOTENCY_MISMATCH");

    stage.ada.wait_session(&stage.session, "connected").await;
    assert_eq!(stage.shown_up_to("the end").await, ["once", "the end"]);
    assert_eq!(stage.messages().await, 2);
    Ok(())
}

#[rstest]
#[tokio::test]
async fn a_retry_after_a_timeout_or_in_the_middle_of_a_kill_is_one_message_on_the_phone(
    #[values(Database::Sqlite, Database::Postgres)] database: Database,
) -> Result<()> {
    let mut stage = Stage::on(database).await?;
    // Callers that lose patience ever later: before, while and after their message is committed.
    let mut wanted = Vec::new();
    for patience in 0..20 {
        let text = format!("patience {patience}");
        let hasty = stage.request(&text, &text).timeout(Duration::from_micros(300 * patience + 1));
        // Whether an answer came in time is chance, and all the same.
        let _ = stage.ada.server.try_send(hasty).await;
        let (one, other) = tokio::join!(stage.send(&text, &text), stage.send(&text, &text));
        assert_eq!(id(&one), id(&other));
        wanted.push(text);
    }

    // Killed while requests are under way: nobody knows which of them were committed.
    let doubtful: Vec<String> = (0..20).map(|n| format!("doubtful {n}")).collect();
    let (answered, mut first_answer) = tokio::sync::mpsc::unbounded_channel();
    let tries: Vec<_> = doubtful
        .iter()
        .map(|text| {
            let (client, request, answered) = (stage.ada.server.clone(), stage.request(text, text), answered.clone());
            tokio::spawn(async move {
                let tried = client.try_send(request).await;
                // Only the first of them is waited for.
                let _ = answered.send(());
                tried
            })
        })
        .collect();
    first_answer.recv().await;
    stage.server.crash_and_restart().await?;
    stage.ada.wait_session(&stage.session, "connected").await;
    for (text, tried) in doubtful.iter().zip(tries) {
        let again = stage.send(text, text).await;
        if let Ok(first) = tried.await? {
            assert_eq!(id(&first.expect(200)), id(&again), "{text} became two messages");
        }
    }
    wanted.extend(doubtful);

    let mut shown = stage.shown_up_to("the end").await;
    assert_eq!(shown.pop().as_deref(), Some("the end"));
    shown.sort();
    wanted.sort();
    assert_eq!(shown, wanted);
    Ok(())
}
