//! The API's document, as the running server gives it.

use anyhow::Result;
use waypost_tests::{Database, Setup, Waypost};

#[tokio::test]
async fn the_document_is_openapi_3_1_under_both_prefixes() -> Result<()> {
    let server = Waypost::start(Setup::on(Database::Sqlite)).await?;
    let document = server.client().get("/api/openapi.json").await.expect(200).body;
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")), "{}", document["openapi"]);
    let mut other = server.client().get("/api/v1/openapi.json").await.expect(200).body;
    assert_eq!((&document["servers"][0]["url"], &other["servers"][0]["url"]), (&"..".into(), &"../..".into()));
    other["servers"] = document["servers"].clone();
    assert_eq!(other, document);
    Ok(())
}

#[tokio::test]
async fn every_failure_of_every_route_is_in_the_document_with_its_envelope() -> Result<()> {
    let server = Waypost::start(Setup::on(Database::Sqlite)).await?;
    let document = server.client().get("/api/openapi.json").await.expect(200).body;
    let paths = document["paths"].as_object().expect("paths");
    for (path, operations) in paths {
        for (method, operation) in operations.as_object().expect("operations") {
            let responses = operation["responses"].as_object().expect("responses");
            let what = format!("{method} {path}");
            assert!(responses.keys().any(|status| status.starts_with('2')), "{what} succeeds with nothing");
            for (status, response) in responses {
                let shared = response["$ref"].as_str().map(|it| it.trim_start_matches('#'));
                let response = shared.and_then(|it| document.pointer(it)).unwrap_or(response);
                assert!(
                    response["description"].as_str().is_some_and(|it| !it.is_empty()),
                    "{what}: {status} says nothing"
                );
            }
            let security = operation["security"].as_array().map_or(0, Vec::len);
            if security > 0 {
                assert!(responses.contains_key("401"), "{what} does not say 401");
            }
            if path.contains('{') {
                assert!(responses.contains_key("404"), "{what} does not say 404");
            }
        }
    }
    Ok(())
}
