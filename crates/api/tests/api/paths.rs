//! Case A8: base URLs that end in a slash, and people who write one too many.

use axum::{
    body::Body,
    http::{Method, StatusCode, header},
};
use serde_json::json;

use crate::{
    support::{Api, Credential, request},
    walls::operations,
};

#[tokio::test]
async fn doubled_slashes_and_one_at_the_end_reach_every_route_without_a_redirect() {
    let api = Api::start().await;
    let account = api.account().await;
    for operation in operations() {
        // What is no id is answered by the route alone, and the same way each time.
        let path = operation.path.replace("{id}", "none");
        let call = |path: String| {
            let credential = if path.contains("/auth/") { Credential::None } else { operation.credential(&account) };
            let operation = &operation;
            let api = &api;
            async move {
                let answer = operation.call(api, &path, credential, Some(&json!({}))).await;
                let allowed = answer.headers.get(header::ALLOW).cloned();
                (answer.status, allowed, answer.headers[header::CONTENT_TYPE].clone())
            }
        };
        let wanted = call(path.clone()).await;
        assert_ne!(wanted.0, StatusCode::NOT_FOUND, "{path}");
        for written in
            [format!("/{path}"), format!("{path}/"), path.replacen('/', "///", 3), path.replace('/', "//") + "//"]
        {
            assert_eq!(call(written.clone()).await, wanted, "{} {written}", operation.method);
        }
    }
    for page in ["/api/docs", "/api/docs/", "//api/docs//", "/api//docs/swagger-ui.css", "/api/v1/docs/"] {
        assert_eq!(api.get(page, Credential::None).await.status, StatusCode::OK, "{page}");
    }
}

#[tokio::test]
async fn a_repeat_with_other_slashes_is_the_same_request() {
    let api = Api::start().await;
    let account = api.account().await;
    let body = json!({ "sessionId": account.session, "to": "919876543210", "text": "hi" });
    let send = async |path: &str| {
        let mut request = request(Method::POST, path, account.server(), Body::from(body.to_string()));
        request.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
        request.headers_mut().insert("idempotency-key", "order-1138".parse().unwrap());
        api.send(request).await
    };
    let first = send("/api/external/messages/send-text").await.data(StatusCode::OK);
    for path in
        ["//api/external/messages/send-text", "/api/external/messages/send-text/", "/api//external//messages/send-text"]
    {
        assert_eq!(send(path).await.data(StatusCode::OK), first, "{path}");
    }
    send("/manager/api/external/messages/send-text").await.error(StatusCode::NOT_FOUND, "NOT_FOUND");
}
