//! `GET /api/messages`: filters, pages and cursors.

use std::collections::HashSet;

use anyhow::Result;
use rstest::rstest;
use serde_json::Value;
use waypost_tests::{Database, Tenant, Waypost};

use crate::messages::sandbox_setup;

fn ids(list: &Value) -> Vec<String> {
    let messages = list.as_array().expect("a list");
    messages.iter().map(|message| message["id"].as_str().expect("an id").to_owned()).collect()
}

async fn page(tenant: &Tenant, query: &str) -> (Vec<String>, Value) {
    let answer = tenant.server.get(&format!("/api/external/messages?{query}")).await.expect(200);
    (ids(&answer.body["data"]), answer.body["pagination"].clone())
}

#[rstest]
#[tokio::test]
async fn pages_and_cursors_walk_over_every_message_once(
    #[values(Database::Sqlite, Database::Postgres)] database: Database,
) -> Result<()> {
    let server = Waypost::start(sandbox_setup(database)).await?;
    let ada = server.register("ada").await?;
    let session = ada.create_session("idle", "sandbox").await;
    let mut sent = Vec::new();
    for n in 0..7 {
        sent.push(ada.send_text(&session, "919876543210", &format!("message {n}")).await);
    }
    sent.reverse();

    let (first, pagination) = page(&ada, "limit=3").await;
    assert_eq!(first, sent[..3], "newest first");
    assert_eq!(pagination["total"], 7);
    assert_eq!(pagination["totalPages"], 3);
    let (second, _) = page(&ada, "limit=3&page=2").await;
    assert_eq!(second, sent[3..6]);

    let mut walked = Vec::new();
    let mut cursor = pagination["nextCursor"].as_str().map(str::to_owned);
    walked.extend(first);
    while let Some(at) = cursor {
        let (some, pagination) = page(&ada, &format!("limit=3&cursor={at}")).await;
        walked.extend(some);
        cursor = pagination["nextCursor"].as_str().map(str::to_owned);
    }
    assert_eq!(walked, sent);
    assert_eq!(walked.iter().collect::<HashSet<_>>().len(), 7);
    Ok(())
}

#[rstest]
#[tokio::test]
async fn filters_find_what_they_name(#[values(Database::Sqlite, Database::Postgres)] database: Database) -> Result<()> {
    let server = Waypost::start(sandbox_setup(database)).await?;
    let ada = server.register("ada").await?;
    let session = ada.sandbox().await;
    let idle = ada.create_session("idle", "sandbox").await;
    let read = ada.send_text(&session, "919876543210", "reply: hello").await;
    let failed = ada.send_text(&session, "15550100463", "refused").await;
    let queued = ada.send_text(&idle, "919876543210", "waits").await;
    ada.wait_message(&read, "read").await;
    ada.wait_message(&failed, "failed").await;
    let inbound = ada.wait_inbound(&session, "hello").await;

    assert_eq!(page(&ada, "status=failed").await.0, [failed.as_str()]);
    assert_eq!(page(&ada, &format!("sessionId={idle}")).await.0, [queued]);
    assert_eq!(page(&ada, "direction=inbound").await.0, [inbound["id"].as_str().expect("an id")]);
    assert_eq!(page(&ada, "to=15550100463").await.0, [failed]);
    let created = inbound["createdAt"].as_str().expect("a time");
    let is_in = async |query: String| page(&ada, &query).await.0.iter().any(|id| inbound["id"] == id.as_str());
    assert!(is_in(format!("from={created}")).await);
    assert!(!is_in(format!("until={created}")).await);
    let unknown = ada.server.get("/api/external/messages?status=lost").await;
    assert_eq!(unknown.body["errors"].as_object().map(|it| it.contains_key("status")), Some(true), "{}", unknown.body);
    Ok(())
}

#[rstest]
#[tokio::test]
async fn a_tenant_who_lists_without_a_pause_keeps_nobody_else_from_being_let_in_and_sending(
    #[values(Database::Sqlite, Database::Postgres)] database: Database,
) -> Result<()> {
    let server = Waypost::start(sandbox_setup(database)).await?;
    let (ada, bob) = (server.register("ada").await?, server.register("bob").await?);
    let (hers, his) = (ada.create_session("idle", "sandbox").await, bob.create_session("idle", "sandbox").await);
    for n in 0..100 {
        ada.send_text(&hers, "919876543210", &format!("message {n}")).await;
    }
    let listing = async || -> () {
        loop {
            let answer = ada.server.get("/api/external/messages?status=read&limit=100").await;
            assert!([200, 429].contains(&answer.status.as_u16()), "{} {}", answer.status, answer.body);
        }
    };
    let sending = async {
        for n in 0..20 {
            if n % 5 == 0 {
                server.register(&format!("guest{n}")).await.expect("a stranger is let in");
            }
            bob.send_text(&his, "919876543210", &format!("message {n}")).await;
            server.client().get("/health/ready").await.data();
        }
    };
    tokio::select! {
        _ = futures::future::join_all((0..32).map(|_| listing())) => {}
        () = sending => {}
    }
    Ok(())
}
