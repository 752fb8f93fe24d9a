use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Account, Api, string};

pub async fn connected(api: &Api) -> Account {
    let account = api.account().await;
    let path = format!("/api/v1/whatsapp/{}", account.session);
    api.post(&format!("{path}/connect"), account.person(), json!({})).await.data(StatusCode::OK);
    api.until(&path, account.person(), |session| session["connected"] == true).await;
    account
}

#[tokio::test]
async fn a_text_is_queued_and_read_and_its_timeline_tells_the_way() {
    let api = Api::start().await;
    let account = connected(&api).await;
    let body = json!({
        "sessionId": account.session, "to": "+91 98765-43210", "text": "Hello from Waypost!", "clientReference": "order-1138",
    });
    let sent = api.post("/api/messages/send-text", account.person(), body).await;
    let id = string(&sent.data(StatusCode::OK)["id"]);
    insta::assert_json_snapshot!("accepted", sent.json(), { ".data.id" => "[id]" });
    let path = format!("/api/messages/{id}");
    api.until(&path, account.person(), |message| message["status"] == "read").await;
    insta::assert_json_snapshot!("read", api.get(&path, account.person()).await.json(), {
        ".data.id" => "[id]", ".data.sessionId" => "[id]",
    });
}

#[tokio::test]
async fn the_same_body_is_taken_from_a_server_with_a_key() {
    let api = Api::start().await;
    let account = api.account().await;
    let body = json!({ "sessionId": account.session, "to": "919876543210", "text": "Hello" });
    let sent = api.post("/api/v1/external/messages/send-text", account.server(), body).await.data(StatusCode::OK);
    assert_eq!((&sent["status"], &sent["to"]), (&json!("queued"), &json!("919876543210")));
    let path = format!("/api/external/messages/{}", string(&sent["id"]));
    let message = api.get(&path, account.server()).await.data(StatusCode::OK);
    assert_eq!((&message["status"], &message["direction"]), (&json!("queued"), &json!("outbound")));
}

#[tokio::test]
async fn a_refused_message_says_why() {
    let api = Api::start().await;
    let account = connected(&api).await;
    let id = api.text(&account, "15550100463", "Hello").await;
    let path = format!("/api/messages/{id}");
    let message = api.until(&path, account.person(), |message| message["status"] == "failed").await;
    insta::assert_json_snapshot!("failed", message["error"]);
}

#[tokio::test]
async fn a_text_arrives_as_it_was_written() {
    let api = Api::start().await;
    let account = api.account().await;
    let long = "🦀".repeat(65_536);
    for text in ["x", " x\n\t", "﷽ e\u{301} 👩‍👩‍👧 \u{202e}abc", long.as_str()] {
        let id = api.text(&account, "919876543210", text).await;
        let message = api.get(&format!("/api/messages/{id}"), account.person()).await.data(StatusCode::OK);
        assert!(message["text"] == text, "a text of {} bytes", text.len());
    }
    let body = json!({ "sessionId": account.session, "to": "919876543210", "text": "🦀".repeat(65_537) });
    let refused = api.post("/api/messages/send-text", account.person(), body).await;
    assert_eq!(refused.field_error("text"), "Must have 1 to 65536 characters");
}

#[tokio::test]
async fn a_caller_may_ask_to_be_refused_while_the_session_is_not_connected() {
    let api = Api::start().await;
    let account = api.account().await;
    let body = json!({ "sessionId": account.session, "to": "919876543210", "text": "now", "requireConnected": true });
    let refused = api.post("/api/messages/send-text", account.person(), body).await;
    refused.error(StatusCode::BAD_GATEWAY, "WHATSAPP_UNAVAILABLE");
    let listed = api.get("/api/messages", account.person()).await.data(StatusCode::OK);
    assert_eq!(listed, json!([]));
}

#[tokio::test]
async fn what_is_promised_by_a_field_that_is_not_built_is_refused() {
    let api = Api::start().await;
    let account = api.account().await;
    for (field, value) in
        [("quotedMessageId", json!("0192f3a0-0000-7000-8000-000000000001")), ("mentions", json!(["919876543210"]))]
    {
        let mut body = json!({ "sessionId": account.session, "to": "919876543210", "text": "later" });
        body[field] = value;
        let refused = api.post("/api/messages/send-text", account.person(), body).await;
        assert_eq!(refused.field_error(field), "Is not supported yet. Leave it out");
    }
    let listed = api.get("/api/messages", account.person()).await.data(StatusCode::OK);
    assert_eq!(listed, json!([]));
}

#[tokio::test]
async fn a_list_is_filtered_and_walked_by_cursor() {
    let api = Api::start().await;
    let account = api.account().await;
    let mut ids = Vec::new();
    for number in 0..5 {
        let to = if number % 2 == 0 { "919876543210" } else { "14155550100" };
        ids.push(api.text(&account, to, &format!("text {number}")).await);
    }
    ids.reverse();

    let mut walked = Vec::new();
    let mut path = "/api/messages?limit=2".to_owned();
    loop {
        let page = api.get(&path, account.person()).await.json();
        walked.extend(page["data"].as_array().unwrap().iter().map(|message| string(&message["id"])));
        let Some(cursor) = page["pagination"]["nextCursor"].as_str() else { break };
        path = format!("/api/messages?limit=2&cursor={cursor}");
    }
    assert_eq!(walked, ids);

    let count = async |query: &str| {
        let page = api.get(&format!("/api/messages?{query}"), account.person()).await.json();
        page["pagination"]["total"].as_u64().unwrap_or_else(|| panic!("{page}"))
    };
    assert_eq!(count(&format!("sessionId={}", account.session)).await, 5);
    assert_eq!(count("sessionId=0192f3a0-0000-7000-8000-000000000001").await, 0);
    assert_eq!(count("to=%2B1%20415%20555%200100").await, 2);
    assert_eq!(count("status=queued&direction=outbound").await, 5);
    assert_eq!(count("status=read").await, 0);
    assert_eq!(count("direction=inbound").await, 0);
    assert_eq!(count("from=2027-01-01T00:00:00Z").await, 5);
    assert_eq!(count("until=2027-01-01T00:00:00Z").await, 0);
    let page = api.get("/api/messages?limit=2&page=2", account.person()).await.json();
    let pagination: &Value = &page["pagination"];
    assert_eq!(
        (&pagination["page"], &pagination["total"], &pagination["totalPages"]),
        (&json!(2), &json!(5), &json!(3))
    );
    assert_eq!(page["data"][0]["id"], ids[2].as_str());
}

#[tokio::test]
async fn pages_by_number_end_at_a_bound_and_point_to_the_cursor() {
    let api = Api::start().await;
    let account = api.account().await;
    for path in ["/api/messages", "/api/v1/whatsapp", "/api/api-keys"] {
        for good in ["page=100&limit=100", "page=500", "page=10000&limit=1"] {
            api.get(&format!("{path}?{good}"), account.person()).await.data(StatusCode::OK);
        }
        let refused = api.get(&format!("{path}?page=101&limit=100"), account.person()).await;
        assert_eq!(
            refused.field_error("page"),
            "Must be 100 at most with a limit of 100: pages by number end at 10000 rows. Give the nextCursor of a page as \
             cursor to go on"
        );
        let refused = api.get(&format!("{path}?cursor=42"), account.person()).await;
        assert_eq!(refused.field_error("cursor"), "Must be the nextCursor of an earlier page");
        api.get(&format!("{path}?cursor=1800000000000-42&page=9999&limit=100"), account.person())
            .await
            .data(StatusCode::OK);
    }
}

#[tokio::test]
async fn every_list_is_walked_by_cursor() {
    let api = Api::start().await;
    let account = api.account().await;
    for number in 0..4 {
        let session = json!({ "name": format!("shop {number}"), "engine": "sandbox" });
        api.post("/api/v1/whatsapp", account.person(), session).await.data(StatusCode::CREATED);
        api.post("/api/api-keys", account.person(), json!({ "name": "shop" })).await.data(StatusCode::CREATED);
    }
    for path in ["/api/v1/whatsapp", "/api/api-keys"] {
        let (mut rows, mut query) = (Vec::new(), String::new());
        loop {
            let page = api.get(&format!("{path}?limit=2{query}"), account.person()).await.json();
            rows.extend(page["data"].as_array().unwrap().iter().map(|row| string(&row["id"])));
            let Some(cursor) = page["pagination"]["nextCursor"].as_str() else { break };
            query = format!("&cursor={cursor}");
        }
        let whole = api.get(path, account.person()).await.data(StatusCode::OK);
        assert_eq!(rows, whole.as_array().unwrap().iter().map(|row| string(&row["id"])).collect::<Vec<_>>(), "{path}");
        assert_eq!(rows.len(), 5);
    }
}

#[tokio::test]
async fn a_list_finds_what_an_answer_said() {
    let api = Api::start().await;
    let account = api.account().await;
    let id = api.text(&account, "+91 98765-43210", "Hello").await;
    api.text(&account, "14155550100", "Hello").await;
    let sent = api.get(&format!("/api/messages/{id}"), account.person()).await.data(StatusCode::OK);
    let (echo, chat) = (string(&sent["to"]), string(&sent["remoteJid"]));
    for to in [echo.as_str(), &chat, "%2B91%2098765%2043210", "+91-98765-43210", "919876543210@c.us"] {
        for session in [String::new(), format!("&sessionId={}", account.session)] {
            let listed =
                api.get(&format!("/api/messages?to={to}{session}"), account.person()).await.data(StatusCode::OK);
            let ids: Vec<_> = listed.as_array().unwrap().iter().map(|message| string(&message["id"])).collect();
            assert_eq!(ids, std::slice::from_ref(&id), "{to}{session}");
        }
    }
}

#[tokio::test]
async fn an_incoming_text_is_listed_with_its_writer() {
    let api = Api::start().await;
    let account = connected(&api).await;
    api.text(&account, "919876543210", "reply:How are you?").await;
    let path = "/api/messages?direction=inbound";
    api.until(path, account.person(), |messages| !messages.as_array().unwrap().is_empty()).await;
    insta::assert_json_snapshot!("inbound", api.get(path, account.person()).await.json(), {
        ".data[].id" => "[id]", ".data[].sessionId" => "[id]", ".data[].to" => "[own number]", ".pagination" => "[pagination]",
    });
}
