//! `/metrics`: docs/metrics.md names what it gives, the numbers are true, and nobody is named.

use std::{collections::BTreeSet, fs, path::PathBuf};

use axum::http::{StatusCode, header};
use serde_json::json;

use crate::{
    messages::connected,
    support::{Api, Credential, OPERATOR, Setup},
};

const THEIRS: &str = "919876543210";

async fn metrics(api: &Api) -> String {
    let answer = api.get("/metrics", Credential::Token(OPERATOR)).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers[header::CONTENT_TYPE], "text/plain; version=0.0.4; charset=utf-8");
    String::from_utf8(answer.body).unwrap()
}

/// The value of the line that begins so.
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{series} is not in\n{text}")).parse().unwrap()
}

/// The rows of the table in the docs: name, type, labels.
fn documented() -> BTreeSet<(String, String, String)> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let page = fs::read_to_string(path).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `waypost_"));
    let row = |line: &str| {
        let cells: Vec<_> = line.split('|').map(|cell| cell.trim().replace('`', "")).collect();
        (cells[1].clone(), cells[2].clone(), cells[3].clone())
    };
    rows.map(row).collect()
}

/// What the endpoint gives, in the same form.
fn given(text: &str) -> BTreeSet<(String, String, String)> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let with_labels = |(name, kind): (&str, &str)| {
        let series = text.lines().filter(|line| !line.starts_with('#') && line.starts_with(name));
        let labels: BTreeSet<_> = series
            .filter_map(|line| Some(line.split_once('{')?.1.split_once('}')?.0))
            .flat_map(|labels| labels.split(','))
            .map(|label| label.split_once('=').unwrap().0.to_owned())
            .filter(|label| label != "le")
            .collect();
        let labels = labels.into_iter().collect::<Vec<_>>().join(", ");
        (name.to_owned(), kind.to_owned(), labels)
    };
    types.map(with_labels).collect()
}

#[tokio::test]
async fn the_table_in_the_docs_is_what_the_endpoint_gives() {
    let api = Api::start().await;
    let given = given(&metrics(&api).await);
    assert!(given.len() > 8, "{given:?}");
    assert_eq!(given, documented());
}

#[tokio::test]
async fn a_text_that_was_read_and_one_that_waits_are_counted_and_nobody_is_named() {
    let api = Api::start().await;
    let account = connected(&api).await;
    let read = api.text(&account, THEIRS, "a secret").await;
    api.until(&format!("/api/messages/{read}"), account.person(), |message| message["status"] == "read").await;
    let waiting = json!({ "name": "shop", "engine": "whatsapp" });
    let waiting = api.post("/api/v1/whatsapp", account.person(), waiting).await.data(StatusCode::CREATED);
    let body = json!({ "sessionId": waiting["id"], "to": THEIRS, "text": "a secret" });
    api.post("/api/messages/send-text", account.person(), body).await.data(StatusCode::OK);
    api.clock.advance(std::time::Duration::from_secs(90));

    let text = metrics(&api).await;
    for (series, expected) in [
        ("waypost_messages_accepted_total", 2.0),
        ("waypost_message_statuses_total{status=\"queued\",code=\"\"}", 2.0),
        ("waypost_message_statuses_total{status=\"sending\",code=\"\"}", 1.0),
        ("waypost_message_statuses_total{status=\"read\",code=\"\"}", 1.0),
        ("waypost_message_statuses_total{status=\"failed\",code=\"NO_ACK\"}", 0.0),
        ("waypost_queue_messages{status=\"queued\"}", 1.0),
        ("waypost_queue_messages{status=\"sending\"}", 0.0),
        ("waypost_queue_oldest_seconds{session=\"connected\"}", 0.0),
        ("waypost_queue_oldest_seconds{session=\"other\"}", 90.0),
        ("waypost_sessions{engine=\"sandbox\",status=\"connected\"}", 1.0),
        ("waypost_sessions{engine=\"whatsapp\",status=\"disconnected\"}", 1.0),
        ("waypost_evidence_dropped_total", 0.0),
        ("waypost_writer_batches_total{outcome=\"failed\"}", 0.0),
    ] {
        assert!((value(&text, series) - expected).abs() < 1e-9, "{series} is not {expected} in\n{text}");
    }
    let commits = value(&text, "waypost_writer_batches_total{outcome=\"committed\"}");
    assert!(commits > 4.0);
    assert!(value(&text, "waypost_writer_commit_seconds_count") >= commits);
    let session = account.session.as_str();
    for secret in [THEIRS, "secret", session, &read, account.email.as_str(), &account.key_id] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn without_the_database_the_counters_are_there_and_the_gauges_that_need_it_are_not() {
    let api = Api::start().await;
    api.break_database().await;
    let text = metrics(&api).await;
    assert!(text.contains("waypost_messages_accepted_total"));
    assert!(!text.contains("\nwaypost_sessions{") && !text.contains("\nwaypost_queue_messages{"), "{text}");
}

#[tokio::test]
async fn sessions_of_another_version_are_counted_as_unknown_and_hide_no_other() {
    let api = Api::start().await;
    let account = api.account().await;
    for (name, engine) in [("second", "telegram"), ("third", "signal")] {
        let body = json!({ "name": name, "engine": "sandbox" });
        api.post("/api/v1/whatsapp", account.person(), body).await.data(StatusCode::CREATED);
        api.write(&format!("UPDATE sessions SET engine = '{engine}', status = 'asleep' WHERE name = '{name}'")).await;
    }
    let text = metrics(&api).await;
    assert!(text.lines().any(|line| line == r#"waypost_sessions{engine="unknown",status="unknown"} 2"#), "{text}");
    let known =
        text.lines().filter(|line| line.starts_with(r#"waypost_sessions{engine="sandbox""#) && line.ends_with(" 1"));
    assert_eq!(known.count(), 1, "{text}");
}

#[tokio::test]
async fn strangers_learn_nothing() {
    let api = Api::start().await;
    let account = api.account().await;
    for credential in [Credential::None, Credential::Token("x"), account.person(), account.server()] {
        api.get("/metrics", credential).await.error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
    }
    let without_operator = Api::with(Setup::default()).await;
    let answer = without_operator.get("/metrics", Credential::Token(OPERATOR)).await;
    answer.error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
}
