//! Strangers who ask for too much, and everybody else.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use anyhow::Result;
use futures::future::join_all;
use sea_orm::{ConnectionTrait, Database as Connection, TransactionTrait};
use serde_json::{Value, json};
use waypost_tests::{Client, Credential, Database, Setup, Tenant, Waypost};

const KINDS: [&str; 4] = ["register", "login", "refresh", "key"];

/// The `number`th request of a flood, of each kind in turn; what it was and how it was answered.
async fn flood(client: &Client, number: usize) -> (&'static str, u16) {
    let email = format!("eve{number}@example.com");
    let kind = KINDS[number % KINDS.len()];
    let (path, body) = match kind {
        "register" => {
            let body = json!({"name": "Eve", "email": email, "password": "not a horse", "businessName": "Eve Ltd"});
            ("/api/auth/register", body)
        }
        "login" => ("/api/auth/login", json!({"email": email, "password": "not a horse"})),
        "refresh" => ("/api/auth/refresh", json!({"refreshToken": format!("awr_{number:043}")})),
        _ => {
            let stranger = client.with(Credential::ApiKey(format!("awp_{number:043}")));
            return (kind, stranger.get("/api/external/messages").await.status.as_u16());
        }
    };
    (kind, client.post(path, &body).await.status.as_u16())
}

#[tokio::test]
async fn a_flood_from_one_address_is_turned_away_and_another_address_is_served() -> Result<()> {
    let server = Waypost::start(Setup::on(Database::Sqlite)).await?;
    let here = server.client().calling_from([127, 0, 0, 2].into())?;
    let ada = server.register("ada").await?;
    let session = ada.sandbox().await;
    let key = ada.server.credential.clone();

    let over = Arc::new(AtomicBool::new(false));
    let answers = Arc::new(Mutex::new(Vec::new()));
    let flooders = (0..16).map(|lane| {
        let (stranger, over, answers) = (server.client().clone(), Arc::clone(&over), Arc::clone(&answers));
        tokio::spawn(async move {
            for number in (lane..).step_by(16).take_while(|_| !over.load(Ordering::Relaxed)) {
                let answer = flood(&stranger, number).await;
                answers.lock().expect("no flooder panics with the lock").push(answer);
            }
        })
    });
    let flooders: Vec<_> = flooders.collect();

    // Until the flood meets its limits in every kind.
    waypost_tests::eventually("the flood to be turned away", async || {
        let answers = answers.lock().expect("no flooder panics with the lock");
        KINDS.iter().all(|kind| answers.contains(&(*kind, 429))).then_some(())
    })
    .await;
    for number in 0..5 {
        let email = format!("bob{number}@example.com");
        let body = json!({"name": "Bob", "email": email, "password": Tenant::PASSWORD, "businessName": "Bob Ltd"});
        let registered = here.post("/api/auth/register", &body).await.expect(201).data();
        let refresh = json!({"refreshToken": registered["refreshToken"]});
        here.post("/api/auth/refresh", &refresh).await.expect(200);
        let login = json!({"email": ada.email, "password": Tenant::PASSWORD});
        here.post("/api/auth/login", &login).await.expect(200);
        let text = json!({"sessionId": session, "to": "919876543210", "text": "hello"});
        here.with(key.clone()).post("/api/external/messages/send-text", &text).await.expect(200);
    }
    // A credential that is known passes from the flooder's own address, too.
    server.client().with(key).get("/api/external/messages").await.expect(200);
    over.store(true, Ordering::Relaxed);
    join_all(flooders).await;

    let answers = answers.lock().expect("no flooder panics with the lock");
    let registered = answers.iter().filter(|(_, status)| *status == 201).count();
    // Twenty an hour may come from there, and one of them was Ada.
    assert!(registered <= 19, "{answers:?}");
    assert!(answers.iter().all(|(_, status)| [201, 401, 429].contains(status)), "{answers:?}");
    let log = server.log();
    assert!(log.contains("a login failed") && log.contains("a credential was refused"), "{log}");
    assert!(log.contains("127.0.0.1") && !log.contains("eve1@"), "{log}");
    Ok(())
}

#[tokio::test]
async fn wrong_tokens_and_keys_are_turned_away_while_nobody_can_write() -> Result<()> {
    let server = Waypost::start(Setup::on(Database::Sqlite)).await?;
    let ada = server.register("ada").await?;
    let refresh =
        async |token: &Value| server.client().post("/api/auth/refresh", &json!({"refreshToken": token})).await;
    let used = &ada.registered["refreshToken"];
    refresh(used).await.expect(200);
    // The second use ends the login, which is written; from then on the token is as good as unknown.
    refresh(used).await.expect(401);

    let file = server.data_folder().join("data/waypost.db");
    let other = Connection::connect(format!("sqlite://{}", file.display())).await?;
    // Whoever has written and not committed holds the lock on writing.
    let writer = other.begin().await?;
    writer.execute_unprepared("UPDATE meta SET value = value").await?;
    for token in [used, &json!("awr_nobody"), &json!(format!("awr_{:043}", 1))] {
        assert_eq!(refresh(token).await.failure(401), "UNAUTHORIZED");
    }
    let stranger = server.client().with(Credential::ApiKey(format!("awp_{:043}", 1)));
    assert_eq!(stranger.get("/api/external/messages").await.failure(401), "UNAUTHORIZED");
    writer.rollback().await?;
    Ok(())
}

#[tokio::test]
async fn a_fresh_installation_is_open_until_there_is_a_tenant() -> Result<()> {
    let mut server = Waypost::start(Setup::on(Database::Sqlite).with("WAYPOST_REGISTRATION_OPEN", "first")).await?;
    server.register("ada").await?;
    let eve =
        json!({"name": "Eve", "email": "eve@example.com", "password": Tenant::PASSWORD, "businessName": "Eve Ltd"});
    assert_eq!(server.client().post("/api/auth/register", &eve).await.failure(403), "FORBIDDEN");
    server.restart().await?;
    assert_eq!(server.client().post("/api/auth/register", &eve).await.failure(403), "FORBIDDEN");
    Ok(())
}
