//! The OpenAPI document and Swagger UI.

use std::{collections::BTreeSet, fs, path::PathBuf};

use axum::{
    body::Body,
    http::{Method, StatusCode, header},
};
use serde_json::Value;
use waypost_api::ApiConfig;

use crate::support::{Api, Credential, Setup, request};

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
async fn every_file_of_the_page_is_there_and_nothing_of_it_is_outside() {
    let api = Api::start().await;
    for (page_at, folder) in [
        ("/api/docs", "/api/docs/"),
        ("/api/docs/", "/api/docs/"),
        ("/api/docs/index.html", "/api/docs/"),
        ("/api/v1/docs", "/api/v1/docs/"),
        ("/api/v1/docs/", "/api/v1/docs/"),
    ] {
        let page = api.get(page_at, Credential::None).await;
        assert_eq!(page.status, StatusCode::OK, "{page_at}");
        assert!(page.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().starts_with("default-src 'self'"));
        let html = String::from_utf8(page.body).unwrap();
        assert!(!html.contains("http://") && !html.contains("https://"), "{html}");
        assert!(!html.contains("<script>"), "the policy forbids scripts within the page");
        let named: Vec<_> = html.split('"').filter_map(|part| part.strip_prefix("./")).collect();
        assert!(named.len() >= 4, "{html}");
        for name in named {
            // As a browser finds it: beside the last slash of the page's address.
            let beside = &page_at[..=page_at.rfind('/').unwrap()];
            let found = format!("{beside}{name}");
            assert!(found.starts_with(folder), "{found}");
            assert_eq!(api.get(&found, Credential::None).await.status, StatusCode::OK, "{found}");
        }
    }
    api.get("/api/docs/swagger-ui.js", Credential::None).await.error(StatusCode::NOT_FOUND, "NOT_FOUND");
}

#[tokio::test]
async fn the_page_and_the_document_hold_below_any_prefix_and_keep_no_credential() {
    let api = Api::start().await;
    let settings = api.get("/api/docs/swagger-initializer.js", Credential::None).await;
    let settings = String::from_utf8(settings.body).unwrap();
    for wanted in ["\"../openapi.json\"", "persistAuthorization: false", "tryItOutEnabled: true"] {
        assert!(settings.contains(wanted), "{settings}");
    }
    for (at, root) in [("/api/openapi.json", ".."), ("/api/v1/openapi.json", "../..")] {
        let served = api.get(at, Credential::None).await.json();
        assert_eq!(served["servers"], serde_json::json!([{ "url": root }]));
    }
}

#[tokio::test]
async fn the_documentation_is_sent_compressed_and_only_to_who_has_it_not() {
    let api = Api::start().await;
    for path in ["/api/docs", "/api/docs/swagger-ui-bundle.js", "/api/docs/swagger-ui.css", "/api/openapi.json"] {
        let with = |name: header::HeaderName, value: &str| {
            let mut request = request(Method::GET, path, Credential::None, Body::empty());
            request.headers_mut().insert(name, value.parse().unwrap());
            api.send(request)
        };
        let plain = api.get(path, Credential::None).await;
        assert!(!plain.headers.contains_key(header::CONTENT_ENCODING), "{path}");
        let packed = with(header::ACCEPT_ENCODING, "gzip").await;
        assert_eq!(packed.headers[header::CONTENT_ENCODING], "gzip", "{path}");
        assert!(packed.body.len() < plain.body.len(), "{path}");
        let again = with(header::IF_NONE_MATCH, plain.headers[header::ETAG].to_str().unwrap()).await;
        assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0), "{path}");
    }
}

#[tokio::test]
async fn the_documentation_can_be_switched_off() {
    let config = ApiConfig { docs: false, ..ApiConfig::default() };
    let api = Api::with(Setup { api: config, ..Setup::default() }).await;
    for path in ["/api/docs", "/api/docs/", "/api/v1/docs/swagger-ui.css", "/api/openapi.json", "/api/v1/openapi.json"]
    {
        api.get(path, Credential::None).await.error(StatusCode::NOT_FOUND, "NOT_FOUND");
    }
    api.get("/api/version", Credential::None).await.data(StatusCode::OK);
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
