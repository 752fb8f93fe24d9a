//! Schedules, expiries and cancellations, as far as the recipient's phone.

use std::time::Duration;

use anyhow::Result;
use rstest::rstest;
use serde_json::{Value, json};
use waypost_tests::{Database, Setup, Tenant, eventually};

use super::{FRIEND, stage::Stage};

/// A time from now on, as a caller writes it.
#[expect(clippy::disallowed_methods, reason = "a caller of the API has the machine's clock")]
fn in_millis(millis: i64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is after 1970");
    let at = i64::try_from(now.as_millis()).expect("it is before the year 292278994") + millis;
    let at = time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(at) * 1_000_000).expect("a time");
    at.format(&time::format_description::well_known::Rfc3339).expect("a time has a form")
}

impl Stage {
    async fn send_with(&self, text: &str, extra: &Value) -> Value {
        let mut body = json!({"sessionId": self.session, "to": FRIEND, "text": text});
        let members = body.as_object_mut().expect("an object");
        members.extend(extra.as_object().expect("an object").clone());
        self.ada.server.post("/api/external/messages/send-text", &body).await.expect(200).data()
    }
}

fn id(answer: &Value) -> String {
    answer["id"].as_str().expect("an id").to_owned()
}

#[rstest]
#[tokio::test]
async fn a_schedule_survives_a_kill_and_is_shown_once_and_a_canceled_one_is_never(
    #[values(Database::Sqlite, Database::Postgres)] database: Database,
) -> Result<()> {
    let mut stage = Stage::on(database).await?;
    let at = in_millis(4000);
    let kept = stage.send_with("scheduled", &json!({"sendAt": at})).await;
    let canceled = stage.send_with("canceled", &json!({"sendAt": at})).await;
    assert_eq!((&kept["status"], &canceled["status"]), (&json!("scheduled"), &json!("scheduled")));
    let path = format!("/api/external/messages/{}/cancel", id(&canceled));
    assert_eq!(stage.ada.server.post(&path, &json!({})).await.data()["status"], "canceled");
    stage.server.crash_and_restart().await?;
    stage.ada.wait_session(&stage.session, "connected").await;
    let sent = stage.ada.wait_message(&id(&kept), "sent").await;
    assert_eq!(Tenant::timeline(&sent), ["scheduled", "queued", "sending", "sent"]);
    assert_eq!(stage.shown_up_to("the end").await, ["scheduled", "the end"]);
    Ok(())
}

#[rstest]
#[tokio::test]
async fn a_message_that_expires_while_its_session_is_away_is_never_shown(
    #[values(Database::Sqlite, Database::Postgres)] database: Database,
    #[values(false, true)] killed: bool,
) -> Result<()> {
    let mut stage = Stage::on(database).await?;
    stage.ada.disconnect(&stage.session).await;
    stage.ada.wait_session(&stage.session, "disconnected").await;
    let expires_at = in_millis(1500);
    let message = id(&stage.send_with("too late", &json!({"expiresAt": expires_at})).await);
    if killed {
        stage.server.crash_and_restart().await?;
    }
    let failed = stage.ada.wait_message(&message, "failed").await;
    assert_eq!(failed["error"]["code"], "EXPIRED");
    assert_eq!(Tenant::timeline(&failed), ["queued", "failed"]);
    stage.ada.connect(&stage.session).await;
    stage.ada.wait_session(&stage.session, "connected").await;
    assert_eq!(stage.shown_up_to("the end").await, ["the end"]);
    Ok(())
}

#[rstest]
#[tokio::test]
async fn of_200_messages_canceled_while_they_go_out_each_is_canceled_or_shown_once(
    #[values(Database::Sqlite, Database::Postgres)] database: Database,
) -> Result<()> {
    let stage = Stage::with(Setup::on(database)).await?;
    let sends = (0..200).map(|n| {
        let text = format!("message {n}");
        let stage = &stage;
        async move { (id(&stage.send_with(&text, &json!({})).await), text) }
    });
    let accepted = futures::future::join_all(sends).await;
    let cancellations = accepted.iter().map(|(id, _)| {
        let stage = &stage;
        async move { stage.ada.server.post(&format!("/api/external/messages/{id}/cancel"), &json!({})).await }
    });
    let outcomes = futures::future::join_all(cancellations).await;
    let mut sent = Vec::new();
    for ((id, text), outcome) in accepted.iter().zip(outcomes) {
        if outcome.status.as_u16() == 409 {
            stage.ada.wait_message(id, "sent").await;
            sent.push(text.clone());
        } else {
            assert_eq!(outcome.data()["status"], "canceled");
        }
    }
    let mut shown = stage.shown_up_to("the end").await;
    assert_eq!(shown.pop().as_deref(), Some("the end"));
    shown.sort();
    sent.sort();
    assert_eq!(shown, sent);
    for (id, text) in &accepted {
        let wanted = if sent.contains(text) { "sent" } else { "canceled" };
        assert_eq!(stage.ada.message(id).await["status"], wanted, "{text}");
    }
    Ok(())
}

#[rstest]
#[tokio::test]
async fn a_thousand_messages_due_at_once_leave_others_their_turn(
    #[values(Database::Sqlite, Database::Postgres)] database: Database,
) -> Result<()> {
    let stage = Stage::on(database).await?;
    let other = stage.ada.sandbox().await;
    stage.ada.disconnect(&stage.session).await;
    stage.ada.wait_session(&stage.session, "disconnected").await;
    let at = in_millis(8000);
    let burst = (0..1000).map(|n| {
        let (stage, at) = (&stage, &at);
        async move { id(&stage.send_with(&format!("burst {n}"), &json!({"sendAt": at})).await) }
    });
    let burst = futures::future::join_all(burst).await;
    let last = burst.last().expect("a thousand");
    stage.ada.wait_message(last, "queued").await;
    let message = stage.ada.send_text(&other, FRIEND, "meanwhile").await;
    stage.ada.wait_message(&message, "sent").await;
    eventually("all of them to be queued", async || {
        let page = stage.ada.person.get("/api/messages?status=scheduled").await.body;
        (page["pagination"]["total"] == 0).then_some(())
    })
    .await;
    // Queued within a second of their time, the whole burst.
    let last = stage.ada.message(last).await;
    let queued = last["timeline"][1]["at"].as_str().expect("a time").to_owned();
    let parse =
        |text: &str| time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).expect("a time");
    let late = parse(&queued) - parse(&at);
    assert!(late < Duration::from_secs(1), "the last was queued {late} late");
    Ok(())
}
