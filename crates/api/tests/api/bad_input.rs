//! Every field of every route, wrong in every way: the contract's error that names the field, never a 500, and nothing
//! stored. The matrix is made from the document, so a new route is in it.

use axum::{
    body::Body,
    http::{Method, StatusCode, header},
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::{
    support::{Account, Answer, Api, Credential, request, string},
    walls::{Operation, operations},
};

async fn raw(api: &Api, operation: &Operation, account: &Account, kind: Option<&str>, body: Vec<u8>) -> Answer {
    let path = operation.path.replace("{id}", &account.session);
    let mut request = request(operation.method.clone(), &path, operation.credential(account), Body::from(body));
    if let Some(kind) = kind {
        request.headers_mut().insert(header::CONTENT_TYPE, kind.parse().unwrap());
    }
    api.send(request).await
}

async fn rows(api: &Api, account: &Account) -> Vec<Value> {
    let mut totals = Vec::new();
    for path in ["/api/api-keys", "/api/v1/whatsapp", "/api/messages"] {
        totals.push(api.get(path, account.person()).await.json()["pagination"]["total"].clone());
    }
    totals
}

#[tokio::test]
async fn every_field_of_every_body_is_checked_and_named() {
    let api = Api::start().await;
    let account = api.account().await;
    let before = rows(&api, &account).await;
    for operation in operations() {
        let Some((properties, required)) = &operation.body else { continue };
        let good = operation.good_body().unwrap();
        // Longer than any field may be, and short enough for the body.
        let long = if matches!(operation.credential(&account), Credential::None) { 10_000 } else { 100_000 };
        for (name, schema) in properties {
            let takes_text = schema["type"] == "string" || schema["type"][0] == "string";
            // Within an object, fields that nobody knows are tolerated too.
            let takes_object = schema.to_string().contains("\"object\"");
            let mut wrong = vec![json!(1.5)];
            wrong.extend((!takes_object).then(|| json!({ "x": 1 })));
            if takes_text {
                wrong.extend([json!(""), json!("x".repeat(long)), json!("a\0b"), json!(true), json!(["x"])]);
            } else {
                wrong.push(json!("surely not"));
            }
            let nullable = schema["type"].as_array().is_some_and(|types| types.contains(&"null".into()));
            if required.contains(name) && !nullable {
                wrong.push(Value::Null);
            }
            for value in wrong {
                let mut body = good.clone();
                body[name] = value.clone();
                let path = operation.path.replace("{id}", &account.session);
                let answer = operation.call(&api, &path, operation.credential(&account), Some(&body)).await;
                let envelope = answer.error(StatusCode::BAD_REQUEST, "VALIDATION_ERROR");
                assert_eq!(envelope["message"], "Validation failed");
                let named: Vec<_> = envelope["errors"].as_object().unwrap().keys().collect();
                let shown: String = value.to_string().chars().take(20).collect();
                assert_eq!(named, [name], "{} {} {name} = {shown}", operation.method, operation.path);
            }
        }
        if required.is_empty() {
            continue;
        }
        let path = operation.path.replace("{id}", &account.session);
        let answer = operation.call(&api, &path, operation.credential(&account), Some(&json!({}))).await;
        let envelope = answer.error(StatusCode::BAD_REQUEST, "VALIDATION_ERROR");
        let missing: Value = required.iter().map(|name| (name.clone(), Value::from("Is required"))).collect();
        assert_eq!(envelope["errors"], missing, "{} {}: all at once", operation.method, operation.path);
    }
    assert_eq!(rows(&api, &account).await, before);
}

#[tokio::test]
async fn what_is_no_json_body_is_refused_on_every_route_that_takes_one() {
    let api = Api::start().await;
    let account = api.account().await;
    let before = rows(&api, &account).await;
    let mut deep = b"[".repeat(5_000);
    deep.extend(b"]".repeat(5_000));
    for operation in operations().into_iter().filter(|operation| operation.body.is_some()) {
        let json = Some("application/json; charset=utf-8");
        for bytes in [
            b"".to_vec(),
            b"{".to_vec(),
            b"{\"to\": 1,}".to_vec(),
            b"\"text\"".to_vec(),
            b"[]".to_vec(),
            b"null".to_vec(),
            b"{\"text\": \"\xff\xfe\"}".to_vec(),
            b"{\"text\": \"\\ud800\"}".to_vec(),
            b"\xef\xbb\xbf{}".to_vec(),
            b"{} {}".to_vec(),
            deep.clone(),
        ] {
            let answer = raw(&api, &operation, &account, json, bytes).await;
            answer.field_error("body");
        }
        let good = operation.good_body().unwrap().to_string().into_bytes();
        for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("multipart/form-data")] {
            let answer = raw(&api, &operation, &account, kind, good.clone()).await;
            answer.error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE");
        }
        let mut large = good;
        large.resize(1024 * 1024 + 1, b' ');
        let answer = raw(&api, &operation, &account, json, large).await;
        answer.error(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE");
    }
    assert_eq!(rows(&api, &account).await, before);
}

#[tokio::test]
async fn a_body_past_its_limit_is_refused_though_no_length_was_declared() {
    let api = Api::start().await;
    let account = api.account().await;
    let chunks = (0..20).map(|_| Ok::<_, std::io::Error>(vec![b' '; 100_000]));
    let body = Body::from_stream(futures::stream::iter(chunks));
    let mut request = request(Method::POST, "/api/messages/send-text", account.person(), body);
    request.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
    api.send(request).await.error(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE");
}

#[tokio::test]
async fn what_is_no_uuid_in_a_path_is_bad_input_on_every_route() {
    let api = Api::start().await;
    let account = api.account().await;
    for operation in operations().into_iter().filter(|operation| operation.path.contains("{id}")) {
        for id in
            ["7", "not-a-uuid", "%00", "%ff", "0192f3a0-0000-7000-8000-00000000000g", "..%2F..", &"a".repeat(5000)]
        {
            let path = operation.path.replace("{id}", id);
            let body = operation.good_body();
            let answer = operation.call(&api, &path, operation.credential(&account), body.as_ref()).await;
            assert_eq!(answer.field_error("id"), "Must be a UUID", "{} {path}", operation.method);
        }
    }
}

#[tokio::test]
async fn every_parameter_of_every_query_is_checked_and_named() {
    let api = Api::start().await;
    let account = api.account().await;
    let mut tried = 0;
    for operation in operations() {
        for name in &operation.parameters {
            for value in ["", "%00", "%ff", "surely%20not", "-1", "1e9", "99999999999999999999"] {
                let path = format!("{}?{name}={value}", operation.path);
                let answer = operation.call(&api, &path, operation.credential(&account), None).await;
                answer.field_error(name);
                tried += 1;
            }
        }
    }
    assert!(tried > 100, "{tried}");
    for query in ["limit=0", "limit=101", "page=0", "page=100001"] {
        let answer = api.get(&format!("/api/messages?{query}"), account.person()).await;
        answer.field_error(query.split('=').next().unwrap());
    }
}

#[rstest]
#[case("call me", "Must be an international phone number in digits, such as 919876543210, or a WhatsApp JID")]
#[case("123", "Must have 7 to 15 digits with the country code, but has 3")]
#[case("1234567890123456", "Must have 7 to 15 digits with the country code, but has 16")]
#[case("0049 151 23456789", "Must start with the country code, not with 0")]
#[case("٩١٩٨٧٦٥٤٣٢١٠", "Must be an international phone number in digits, such as 919876543210, or a WhatsApp JID")]
#[case("919876543210@newsletter", "Must be a JID that ends in @s.whatsapp.net, @lid or @g.us")]
#[case("me@lid", "Must be a JID such as 919876543210@s.whatsapp.net, 123456789@lid or 120363000000000000@g.us")]
#[tokio::test]
async fn a_number_that_is_none_is_named(#[case] to: &str, #[case] sentence: &str) {
    let api = Api::start().await;
    let account = api.account().await;
    let body = json!({ "sessionId": account.session, "to": to, "text": "Hello" });
    let answer = api.post("/api/messages/send-text", account.person(), body).await;
    assert_eq!(answer.field_error("to"), sentence);
    assert_eq!(api.get("/api/messages", account.person()).await.data(StatusCode::OK), json!([]));
}

#[tokio::test]
async fn several_wrong_fields_are_named_at_once() {
    let api = Api::start().await;
    let account = api.account().await;
    let body = json!({ "sessionId": "uuid", "to": "123", "text": 7, "clientReference": "", "requireConnected": "yes" });
    let answer = api.post("/api/messages/send-text", account.person(), body).await;
    insta::assert_json_snapshot!(answer.error(StatusCode::BAD_REQUEST, "VALIDATION_ERROR"));
}

#[tokio::test]
async fn a_stranger_is_told_so_before_what_is_wrong_with_the_body() {
    let api = Api::start().await;
    let answer = api.post("/api/messages/send-text", Credential::None, json!({})).await;
    assert!(!string(&answer.error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED")["message"]).is_empty());
}
