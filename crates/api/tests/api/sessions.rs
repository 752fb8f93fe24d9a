use axum::{
    body::Body,
    http::{Method, StatusCode, header},
};
use serde_json::json;
use waypost_gateway::GatewayConfig;

use crate::support::{Api, Setup, request, string};

#[tokio::test]
async fn a_new_session_is_disconnected_and_linked_to_nobody() {
    let api = Api::start().await;
    let account = api.account().await;
    let body = json!({ "name": "shop", "engine": "sandbox" });
    let created = api.post("/api/v1/whatsapp", account.person(), body).await;
    created.data(StatusCode::CREATED);
    insta::assert_json_snapshot!(created.json(), { ".data.id" => "[id]" });
}

#[tokio::test]
async fn a_sandbox_session_goes_through_its_life() {
    let api = Api::start().await;
    let account = api.account().await;
    let path = format!("/api/v1/whatsapp/{}", account.session);
    api.post(&format!("{path}/connect"), account.person(), json!({})).await.data(StatusCode::OK);
    let connected = api.until(&path, account.person(), |session| session["connected"] == true).await;
    assert_eq!(connected["status"], "connected");
    assert!(connected["phoneNumber"].is_string() && connected["connectedAt"].is_string(), "{connected}");
    let status = api.get(&format!("{path}/status"), account.server()).await;
    status.error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
    let status = api.get(&format!("{path}/status"), account.person()).await.data(StatusCode::OK);
    assert_eq!(status, json!({ "id": account.session, "status": "connected", "connected": true }));
    let qr = api.get(&format!("{path}/qr"), account.person()).await;
    qr.error(StatusCode::CONFLICT, "CONFLICT");

    let disconnected = api.post(&format!("{path}/disconnect"), account.person(), json!({})).await.data(StatusCode::OK);
    assert_eq!((&disconnected["status"], &disconnected["connected"]), (&json!("disconnected"), &json!(false)));
    let out = api.post(&format!("{path}/logout"), account.person(), json!({})).await.data(StatusCode::OK);
    assert_eq!(out["connected"], false, "{out}");
    let deleted = api.delete(&path, account.person()).await;
    insta::assert_json_snapshot!("deleted", deleted.json());
    api.get(&path, account.person()).await.error(StatusCode::NOT_FOUND, "NOT_FOUND");
}

#[tokio::test]
async fn a_server_handles_sessions_with_its_key() {
    let api = Api::start().await;
    let account = api.account().await;
    let body = json!({ "name": "second", "engine": "sandbox" });
    let created = api.post("/api/external/whatsapp", account.server(), body).await.data(StatusCode::CREATED);
    let path = format!("/api/external/whatsapp/{}", string(&created["id"]));
    api.post(&format!("{path}/connect"), account.server(), json!({})).await.data(StatusCode::OK);
    api.until(&path, account.server(), |session| session["connected"] == true).await;
}

#[tokio::test]
async fn lists_are_paged() {
    let api = Api::start().await;
    let account = api.account().await;
    for name in ["second", "third"] {
        let body = json!({ "name": name, "engine": "sandbox" });
        api.post("/api/v1/whatsapp", account.person(), body).await.data(StatusCode::CREATED);
    }
    let first = api.get("/api/v1/whatsapp?limit=2", account.person()).await.json();
    let cursor = &first["pagination"]["nextCursor"];
    assert!(cursor.is_string());
    let pagination = json!({ "page": 1, "limit": 2, "total": 3, "totalPages": 2, "nextCursor": cursor });
    assert_eq!(first["pagination"], pagination);
    let names: Vec<_> = first["data"].as_array().unwrap().iter().map(|session| string(&session["name"])).collect();
    assert_eq!(names, ["third", "second"]);
    let last = api.get("/api/v1/whatsapp?limit=2&page=2", account.person()).await.json();
    assert_eq!(last["data"].as_array().unwrap().len(), 1);
    let beyond = api.get("/api/v1/whatsapp?limit=2&page=3", account.person()).await.json();
    assert_eq!(beyond["data"], json!([]));
}

#[tokio::test]
async fn the_limit_of_sessions_is_named_when_it_is_reached() {
    let gateway = GatewayConfig { max_sessions_per_tenant: Some(1), ..GatewayConfig::default() };
    let api = Api::with(Setup { gateway, ..Setup::default() }).await;
    let account = api.account().await;
    let body = json!({ "name": "second", "engine": "sandbox" });
    let refused = api.post("/api/v1/whatsapp", account.person(), body).await;
    let envelope = refused.error(StatusCode::FORBIDDEN, "LIMIT_EXCEEDED");
    assert!(string(&envelope["message"]).contains("1 of 1"), "{envelope}");
}

#[tokio::test]
async fn an_error_is_json_though_a_picture_was_asked_for() {
    let api = Api::start().await;
    let account = api.account().await;
    let path = format!("/api/v1/whatsapp/{}/qr", account.session);
    let mut request = request(Method::GET, &path, account.person(), Body::empty());
    request.headers_mut().insert(header::ACCEPT, "image/png".parse().unwrap());
    api.send(request).await.error(StatusCode::CONFLICT, "CONFLICT");
}

#[tokio::test]
async fn a_sandbox_session_is_not_paced_until_its_tenant_says_so_and_null_takes_it_back() {
    let gateway = GatewayConfig { pacing: waypost_domain::Pacing::GENTLE, ..GatewayConfig::default() };
    let api = Api::with(Setup { gateway, ..Setup::default() }).await;
    let account = api.account().await;
    let path = format!("/api/v1/whatsapp/{}", account.session);
    let pacing = |session: &serde_json::Value| session["pacing"].clone();
    let off = json!({ "perMinute": 0, "perDay": 0, "firstContactPerMinute": 0, "firstContactPerDay": 0, "jitterMs": 0,
        "firstContactPauseSeconds": 0, "firstContactPausedUntil": null, "firstContactPauseReason": null });
    assert_eq!(pacing(&api.get(&path, account.person()).await.data(StatusCode::OK)), off);

    let change = json!({ "name": " Front desk ", "pacing": { "perMinute": 20, "jitterMs": 1500 } });
    let changed = api.patch(&path, account.person(), change).await.data(StatusCode::OK);
    assert_eq!(changed["name"], "Front desk");
    assert_eq!((&changed["pacing"]["perMinute"], &changed["pacing"]["jitterMs"]), (&json!(20), &json!(1500)));
    assert_eq!(changed["pacing"]["perDay"], 0);
    assert_eq!(api.get(&path, account.person()).await.data(StatusCode::OK), changed, "and it stays so");

    let part = api.patch(&path, account.person(), json!({ "pacing": { "perMinute": null, "perDay": 9 } })).await;
    let part = part.data(StatusCode::OK);
    assert_eq!((&part["pacing"]["perMinute"], &part["pacing"]["perDay"]), (&json!(0), &json!(9)));
    assert_eq!((&part["pacing"]["jitterMs"], &part["name"]), (&json!(1500), &json!("Front desk")));

    let back = api.patch(&path, account.person(), json!({ "pacing": null })).await.data(StatusCode::OK);
    assert_eq!(pacing(&back), off);
    let external = format!("/api/external/whatsapp/{}", account.session);
    api.patch(&external, account.server(), json!({ "pacing": { "perDay": 3 } })).await.data(StatusCode::OK);
}

#[tokio::test]
async fn every_wrong_number_of_a_pace_is_named_and_nothing_changes() {
    let api = Api::start().await;
    let account = api.account().await;
    let path = format!("/api/v1/whatsapp/{}", account.session);
    let before = api.get(&path, account.person()).await.data(StatusCode::OK);
    let wrong = json!({ "name": "", "pacing": { "perMinute": -1, "perDay": "many", "firstContactPerMinute": 1.5,
        "jitterMs": 600_001, "firstContactPauseSeconds": true, "firstContactPausedUntil": "2026-11-22T13:45:00.000Z",
        "firstContactPerDay": 3 } });
    let envelope = api.patch(&path, account.person(), wrong).await.error(StatusCode::BAD_REQUEST, "VALIDATION_ERROR");
    let named: Vec<_> = envelope["errors"].as_object().unwrap().keys().cloned().collect();
    let expected = [
        "name",
        "pacing.firstContactPauseSeconds",
        "pacing.firstContactPausedUntil",
        "pacing.firstContactPerMinute",
        "pacing.jitterMs",
        "pacing.perDay",
        "pacing.perMinute",
    ];
    assert_eq!(named, expected);
    assert_eq!(envelope["errors"]["pacing.perMinute"], "Must be a whole number from 0 to 10000000");
    assert_eq!(api.get(&path, account.person()).await.data(StatusCode::OK), before);
    let number = api.patch(&path, account.person(), json!({ "pacing": 20 })).await;
    assert_eq!(number.field_error("pacing"), "Must be an object");
}
