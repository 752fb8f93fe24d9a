//! What the operator of the server may do, and nobody else.

use axum::{
    body::Body,
    http::{Method, StatusCode, header},
};
use serde_json::{Value, json};

use crate::support::{Answer, Api, Credential, OPERATOR, Setup, request};

const PATHS: [&str; 2] = ["/api/operator/whatsapp-version", "/api/v1/operator/whatsapp-version"];

async fn put(api: &Api, path: &str, token: &str, body: &Value) -> Answer {
    let mut request = request(Method::PUT, path, Credential::Token(token), Body::from(body.to_string()));
    request.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
    api.send(request).await
}

#[tokio::test]
async fn the_operator_sets_the_version_of_whatsapp_web_and_takes_it_back() {
    let api = Api::start().await;
    let operator = Credential::Token(OPERATOR);
    for path in PATHS {
        assert_eq!(api.get(path, operator).await.data(StatusCode::OK), json!({ "version": null }));
        let set = put(&api, path, OPERATOR, &json!({ "version": "2.3000.1023456789" })).await.data(StatusCode::OK);
        assert_eq!(set, json!({ "version": "2.3000.1023456789" }));
        assert_eq!(api.get(path, operator).await.data(StatusCode::OK), set);
        put(&api, path, OPERATOR, &json!({ "version": null })).await.data(StatusCode::OK);
    }
    for wrong in ["2.3000", "new", "2.3000.-1"] {
        let refused = put(&api, PATHS[0], OPERATOR, &json!({ "version": wrong })).await;
        assert!(refused.field_error("version").contains("2.3000.1023456789"));
    }
}

#[tokio::test]
async fn nobody_but_the_operator_comes_in() {
    let api = Api::start().await;
    let account = api.account().await;
    for token in ["", "x", &OPERATOR[1..], &format!("{OPERATOR}0"), account.token.as_str(), account.key.as_str()] {
        for path in PATHS {
            api.get(path, Credential::Token(token)).await.error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
            let answer = put(&api, path, token, &json!({ "version": "2.3000.1" })).await;
            answer.error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
        }
    }
    let seen = api.get(PATHS[0], Credential::Token(OPERATOR)).await.data(StatusCode::OK);
    assert_eq!(seen, json!({ "version": null }));
}

#[tokio::test]
async fn a_server_without_an_operator_token_has_no_operator() {
    let api = Api::with(Setup::default()).await;
    for token in ["", OPERATOR] {
        api.get(PATHS[0], Credential::Token(token)).await.error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
    }
}
