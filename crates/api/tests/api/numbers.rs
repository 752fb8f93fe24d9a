//! Numbers are looked up where a caller asks for it.

use axum::http::{StatusCode, header};
use serde_json::json;

use crate::support::{Account, Api, string};

const ABSENT: &str = "15550101005";
const OTHER_FORM: &str = "15550101010";
const LIMITED: &str = "15550101012";

async fn connected(api: &Api) -> Account {
    let account = api.account().await;
    let path = format!("/api/v1/whatsapp/{}", account.session);
    api.post(&format!("{path}/connect"), account.person(), json!({})).await.data(StatusCode::OK);
    api.until(&path, account.person(), |session| session["connected"] == true).await;
    account
}

#[tokio::test]
async fn a_checked_message_goes_to_the_address_that_whatsapp_gives_or_nowhere() {
    let api = Api::start().await;
    let account = connected(&api).await;
    let body = |to: &str| json!({ "sessionId": account.session, "to": to, "text": "hello", "checkNumber": true });
    let refused = api.post("/api/messages/send-text", account.person(), body(ABSENT)).await;
    insta::assert_json_snapshot!("not_on_whatsapp", refused.json(), { ".requestId" => "[id]" });
    refused.error(StatusCode::UNPROCESSABLE_ENTITY, "NOT_ON_WHATSAPP");
    let limited = api.post("/api/messages/send-text", account.person(), body(LIMITED)).await;
    assert_eq!(limited.headers[header::RETRY_AFTER], "30");
    limited.error(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED");
    let listed = api.get("/api/messages", account.person()).await.data(StatusCode::OK);
    assert_eq!(listed, json!([]), "nothing is queued");

    let api = Api::start().await;
    let account = connected(&api).await;
    let body = json!({ "sessionId": account.session, "to": OTHER_FORM, "text": "hello", "checkNumber": true });
    let sent = api.post("/api/messages/send-text", account.person(), body).await.data(StatusCode::OK);
    assert_eq!(sent["to"], OTHER_FORM);
    let path = format!("/api/messages/{}", string(&sent["id"]));
    let message = api.until(&path, account.person(), |message| message["status"] == "read").await;
    assert_eq!((&message["to"], &message["remoteJid"]), (&json!(OTHER_FORM), &json!("15550101011@s.whatsapp.net")));
}

#[tokio::test]
async fn numbers_are_checked_in_their_order_by_people_and_by_servers() {
    let api = Api::start().await;
    let account = connected(&api).await;
    let numbers = ["+91 98765-43210", ABSENT, OTHER_FORM, "919876543210"];
    let body = json!({ "sessionId": account.session, "numbers": numbers });
    let checked = api.post("/api/messages/check-numbers", account.person(), body.clone()).await;
    insta::assert_json_snapshot!("checked", checked.json());
    let again = api.post("/api/v1/external/messages/check-numbers", account.server(), body).await.data(StatusCode::OK);
    assert!(again.as_array().unwrap().iter().all(|number| number["cached"] == true));
}

#[tokio::test]
async fn a_wrong_number_has_its_error_in_its_place_and_the_others_their_answers() {
    let api = Api::start().await;
    let account = connected(&api).await;
    let numbers = json!(["123", "919876543210", 7, "9.19877E+11", null, ABSENT, "call me"]);
    let body = json!({ "sessionId": account.session, "numbers": numbers });
    let checked = api.post("/api/messages/check-numbers", account.person(), body).await;
    insta::assert_json_snapshot!("wrong_numbers", checked.data(StatusCode::OK));
    for numbers in [json!([]), json!(vec!["919876543210"; 101])] {
        let body = json!({ "sessionId": account.session, "numbers": numbers });
        let refused = api.post("/api/messages/check-numbers", account.person(), body).await;
        assert_eq!(refused.field_error("numbers"), "Must have 1 to 100 items");
    }
}

#[tokio::test]
async fn where_every_number_is_wrong_nothing_is_asked() {
    let api = Api::start().await;
    // It is not connected: it could not ask.
    let account = api.account().await;
    let body = json!({ "sessionId": account.session, "numbers": ["123", "call me"] });
    let checked = api.post("/api/messages/check-numbers", account.person(), body).await.data(StatusCode::OK);
    let errors: Vec<_> = checked.as_array().unwrap().iter().map(|answer| answer["error"].is_string()).collect();
    assert_eq!(errors, [true, true]);
}

#[tokio::test]
async fn a_session_that_is_not_connected_cannot_ask() {
    let api = Api::start().await;
    let account = api.account().await;
    let body = json!({ "sessionId": account.session, "numbers": ["919876543210"] });
    let refused = api.post("/api/messages/check-numbers", account.person(), body).await;
    refused.error(StatusCode::BAD_GATEWAY, "WHATSAPP_UNAVAILABLE");
}
