//! The OpenAPI document and Swagger UI.

use std::{collections::BTreeSet, fs, path::PathBuf};

use axum::http::{StatusCode, header};
use serde_json::Value;

use crate::support::{Api, Credential};

/// The document as it is served.
pub fn document() -> Value {
    serde_json::to_value(waypost_api::openapi()).unwrap()
}

#[tokio::test]
async fn the_served_document_is_the_codes_and_open_api_3_1() {
    let api = Api::start().await;
    let served = api.get("/api/openapi.json", Credential::None).await;
    assert_eq!(served.status, StatusCode::OK);
    assert_eq!(served.json(), document());
    assert_eq!(served.json()["openapi"], "3.1.0");
}

#[test]
fn the_checked_in_document_is_the_codes() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let wanted = waypost_api::openapi().to_pretty_json().unwrap() + "\n";
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        fs::write(&path, &wanted).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "docs/openapi.json is stale: run this test with UPDATE_OPENAPI=1 and commit it");
}

#[tokio::test]
async fn no_route_goes_around_the_document() {
    let api = Api::start().await;
    let contract = |path: &str| path.replacen("/api/v1/", "/api/", 1);
    let documented: BTreeSet<_> = document()["paths"].as_object().unwrap().keys().map(|path| contract(path)).collect();
    let routed: BTreeSet<_> = api.routes().iter().map(|path| contract(path)).collect();
    let pages = |path: &&String| !path.starts_with("/api/docs");
    assert_eq!(routed.iter().filter(pages).collect::<Vec<_>>(), documented.iter().collect::<Vec<_>>());
}

#[test]
fn every_operation_has_a_name_of_its_own_and_says_what_can_go_wrong() {
    let document = document();
    let mut names = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let route = format!("{method} {path}");
            assert!(names.insert(operation["operationId"].as_str().unwrap().to_owned()), "{route}: the name is taken");
            assert!(operation["summary"].is_string() && operation["tags"][0].is_string(), "{route}");
            let responses = operation["responses"].as_object().unwrap();
            let mut wanted = vec!["500"];
            match operation["security"][0].as_object().and_then(|schemes| schemes.keys().next()).map(String::as_str) {
                None => {}
                Some("operatorToken") => wanted.extend(["400", "401"]),
                Some(_) => wanted.extend(["400", "401", "403", "429"]),
            }
            if path.contains("{id}") {
                wanted.push("404");
            }
            if operation["requestBody"].is_object() {
                wanted.extend(["400", "413", "415"]);
            }
            for status in wanted {
                assert!(responses.contains_key(status), "{route} does not tell of {status}");
            }
            for (status, response) in responses {
                let reference = response["$ref"].as_str().map(|reference| reference.trim_start_matches('#'));
                let response = reference.map_or(response, |pointer| document.pointer(pointer).unwrap());
                assert!(response["description"].as_str().is_some_and(|text| !text.is_empty()), "{route} {status}");
            }
        }
    }
}

#[tokio::test]
async fn swagger_ui_works_without_any_address_outside() {
    let api = Api::start().await;
    let page = api.get("/api/docs/", Credential::None).await;
    assert_eq!(page.status, StatusCode::OK);
    let html = String::from_utf8(page.body).unwrap();
    assert!(!html.contains("http://") && !html.contains("https://"), "{html}");
    assert!(page.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().starts_with("default-src 'self'"));
    assert!(!html.contains("<script>"), "the policy forbids scripts within the page");
    let assets: Vec<_> = html.split('"').filter_map(|part| part.strip_prefix("./")).collect();
    assert!(assets.len() >= 4, "{html}");
    for asset in assets {
        let answer = api.get(&format!("/api/docs/{asset}"), Credential::None).await;
        assert_eq!(answer.status, StatusCode::OK, "{asset}");
    }
    let settings = api.get("/api/docs/swagger-initializer.js", Credential::None).await;
    let settings = String::from_utf8_lossy(&settings.body).into_owned();
    for wanted in ["/api/openapi.json", "\"persistAuthorization\": true", "\"tryItOutEnabled\": true"] {
        assert!(settings.contains(wanted), "{settings}");
    }
    assert_eq!(api.get("/api/docs", Credential::None).await.status, StatusCode::SEE_OTHER);
    assert_eq!(api.get("/api/v1/docs/", Credential::None).await.status, StatusCode::OK);
}

#[test]
fn both_kinds_of_credential_can_be_tried_out() {
    let schemes = document()["components"]["securitySchemes"].clone();
    assert_eq!(
        (&schemes["accessToken"]["type"], &schemes["accessToken"]["scheme"]),
        (&"http".into(), &"bearer".into())
    );
    assert_eq!((&schemes["apiKey"]["in"], &schemes["apiKey"]["name"]), (&"header".into(), &"X-API-Key".into()));
    let paths = document()["paths"].clone();
    assert!(paths["/api/messages/send-text"]["post"]["security"][0]["accessToken"].is_array());
    assert!(paths["/api/external/messages/send-text"]["post"]["security"][0]["apiKey"].is_array());
}
