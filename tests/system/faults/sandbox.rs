//! The process is killed and the pretend phones are not: every message ends as its number's script says.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::Result;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use waypost_tests::{Client, Database, Setup, Tenant, Waypost, eventually_or_tell};

const KILLS: usize = 10;
const SENDERS: usize = 3;

/// Between two attempts while the server is dead.
const TRY_AGAIN: Duration = Duration::from_millis(30);

/// Whom texts go to, in turn, and how they end.
const RECIPIENTS: [(&str, &str); 8] = [
    ("919876543210", "read"),
    ("919876543211", "read"),
    ("15550101009", "read"),
    ("15550101004", "delivered"),
    ("919876543212", "read"),
    ("15550100463", "failed"),
    ("15550101002", "read"),
    ("123456789012345@lid", "read"),
];
const ECHO: &str = "15550101009";

/// A text that was accepted.
struct Accepted {
    id: String,
    ends: &'static str,
    answer: Option<String>,
}

/// Sends texts until nobody wants to know any more, whether the server lives or not.
async fn send(client: Client, session: String, sender: usize, accepted: mpsc::UnboundedSender<Accepted>) {
    for n in 0.. {
        let (to, ends) = RECIPIENTS[n % RECIPIENTS.len()];
        let said = format!("text {n} of {sender}");
        let asks = n % 3 == 0;
        let answered = ends == "read" && (asks || to == ECHO) && to != "15550101002";
        let text = if asks && to != ECHO { format!("reply: {said}") } else { said.clone() };
        let body = json!({"sessionId": session, "to": to, "text": text});
        let request = client.request(reqwest::Method::POST, "/api/external/messages/send-text").json(&body);
        // What got no answer was promised nothing.
        let Ok(answer) = client.try_send(request).await else {
            tokio::time::sleep(TRY_AGAIN).await;
            continue;
        };
        if !answer.status.is_success() {
            continue;
        }
        let id = answer.data()["id"].as_str().expect("an id").to_owned();
        if accepted.send(Accepted { id, ends, answer: answered.then_some(said) }).is_err() {
            return;
        }
    }
}

/// Every message of a direction, by id.
async fn all(ada: &Tenant, session: &str, direction: &str) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/api/messages?sessionId={session}&direction={direction}&limit=100{cursor}");
        let answer = ada.person.get(&path).await.expect(200);
        for message in answer.body["data"].as_array().expect("a list") {
            found.insert(message["id"].as_str().expect("an id").to_owned(), message.clone());
        }
        match answer.body["pagination"]["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

#[rstest]
#[tokio::test]
async fn after_ten_kills_under_load_every_message_ends_as_its_number_says(
    #[values(Database::Sqlite, Database::Postgres)] database: Database,
) -> Result<()> {
    let setup = Setup::on(database).with("WAYPOST_ACK_TIMEOUT", "2s");
    let mut server = Waypost::start(setup).await?;
    let ada = server.register("ada").await?;
    let session = ada.sandbox().await;

    let (tell, mut told) = mpsc::unbounded_channel();
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| tokio::spawn(send(ada.server.clone(), session.clone(), sender, tell.clone())))
        .collect();
    drop(tell);
    let mut accepted = Vec::new();
    for kill in 0..KILLS {
        while let Ok(text) = told.try_recv() {
            accepted.push(text);
        }
        // Another moment each time: some have just left, some are acknowledged, some are read and to be answered.
        let until = accepted.len() + 5 + kill * 37 % 90;
        while accepted.len() < until {
            accepted.push(told.recv().await.expect("texts are accepted until nobody listens"));
        }
        server.crash_and_restart().await?;
    }
    told.close();
    while let Some(text) = told.recv().await {
        accepted.push(text);
    }
    for sender in senders {
        sender.await?;
    }

    eventually_or_tell("every message to end as its number says", async || {
        let messages = all(&ada, &session, "outbound").await;
        let open: Vec<_> = accepted.iter().filter(|text| messages[&text.id]["status"] != text.ends).collect();
        let Some(one) = open.first() else { return Ok(()) };
        Err(format!("{} of {} not {}: {}", open.len(), accepted.len(), one.ends, ada.message(&one.id).await))
    })
    .await;
    let usual = ["queued", "sending", "sent", "delivered", "read"];
    for text in &accepted {
        let timeline = Tenant::timeline(&ada.message(&text.id).await);
        let place = |status: &String| usual.iter().position(|step| step == status);
        let is_in_order = timeline.iter().map(place).is_sorted_by(|one, next| one < next);
        let is_failure = text.ends == "failed" && timeline == ["queued", "sending", "failed"];
        assert!(is_failure || (is_in_order && timeline.contains(&"sent".to_owned())), "{timeline:?}");
    }

    let wanted: BTreeSet<_> = accepted.iter().filter_map(|text| text.answer.clone()).collect();
    let answers = eventually_or_tell("every answer", async || {
        let inbound = all(&ada, &session, "inbound").await;
        let texts: Vec<_> = inbound.values().map(|text| text["text"].as_str().unwrap_or_default().to_owned()).collect();
        let missing = wanted.iter().filter(|answer| !texts.contains(answer)).count();
        if missing == 0 { Ok(texts) } else { Err(format!("{missing} of {} are missing", wanted.len())) }
    })
    .await;
    let once: BTreeSet<_> = answers.iter().collect();
    assert_eq!(once.len(), answers.len(), "an answer was stored twice");
    Ok(())
}
