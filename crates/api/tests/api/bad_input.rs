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
            // Within an object, it is the field of the object that is wrong and named.
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
    let mut deep = b"[".repeat(100_000);
    deep.extend(b"]".repeat(100_000));
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
            b"{\"text\": \"a\nb\"}".to_vec(),
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
#[case(
    "call me",
    "Has the character `c`, which no phone number has. Write its digits with the country code, such as 919876543210, or a \
     WhatsApp JID"
)]
#[case(
    "91\u{202e}9876543210",
    "Has the character U+202E, which no phone number has. Write its digits with the country code, such as 919876543210, \
     or a WhatsApp JID"
)]
#[case("123", "Must have 7 to 15 digits with the country code, but has 3")]
#[case("1234567890123456", "Must have 7 to 15 digits with the country code, but has 16")]
#[case("0049 151 23456789", "Must start with the country code, not with 0")]
#[case(
    "+44 (0)20 7946 0958",
    "Leave out the (0): it is dialled within the country only, and makes another number of it"
)]
#[case(
    "919876543210.0",
    "Ends like a decimal number of a spreadsheet. Write its digits alone, without the point and what is behind it"
)]
#[case(
    "9.19877E+11",
    "Looks like a number that a spreadsheet has rounded: format the column as text and enter the number again"
)]
#[case(
    "919876543210 / 919876543211",
    "Looks like two numbers. Write one number, without a line break, a tab or a slash in it"
)]
#[case("91+9876543210", "Has a + that is not in front. Write it once, before the country code, or leave it out")]
#[case("919876543210@newsletter", "Must be a JID that ends in @s.whatsapp.net, @lid or @g.us")]
#[case("me@lid", "Must be a JID such as 919876543210@s.whatsapp.net, 123456789@lid or 120363000000000000@g.us")]
#[case("-@g.us", "Must be a JID such as 919876543210@s.whatsapp.net, 123456789@lid or 120363000000000000@g.us")]
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

#[tokio::test]
async fn every_place_that_takes_a_number_reads_it_alike() {
    let api = Api::start().await;
    let account = api.account().await;
    let pairing = format!("/api/v1/whatsapp/{}/pairing-code", account.session);
    for (written, good) in [("+91\u{a0}98765\u{2011}43210\u{200e}", true), ("+44 (0)20 7946 0958", false)] {
        let send = json!({ "sessionId": account.session, "to": written, "text": "Hello" });
        let sent = api.post("/api/messages/send-text", account.person(), send).await;
        let list = format!("/api/messages?to={}", percent(written));
        let listed = api.get(&list, account.person()).await;
        let paired = api.post(&pairing, account.person(), json!({ "phoneNumber": written })).await;
        if good {
            assert_eq!(sent.data(StatusCode::OK)["to"], "919876543210");
            assert_eq!(listed.data(StatusCode::OK).as_array().unwrap().len(), 1);
            assert_ne!(paired.status, StatusCode::BAD_REQUEST);
        } else {
            for (answer, field) in [(sent, "to"), (listed, "to"), (paired, "phoneNumber")] {
                assert!(answer.field_error(field).starts_with("Leave out the (0)"));
            }
        }
    }
}

/// Every byte of a text as a query may carry it.
fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |encoded, byte| format!("{encoded}%{byte:02X}"))
}

#[tokio::test]
async fn a_body_with_a_byte_order_mark_is_read() {
    let api = Api::start().await;
    let account = api.account().await;
    let operation = operations().into_iter().find(|operation| operation.path.ends_with("/send-text")).unwrap();
    let body = json!({ "sessionId": account.session, "to": "919876543210", "text": "Hello" });
    let bytes = [b"\xef\xbb\xbf".to_vec(), body.to_string().into_bytes()].concat();
    raw(&api, &operation, &account, Some("application/json"), bytes).await.data(StatusCode::OK);
}

#[tokio::test]
async fn a_raw_line_break_in_a_string_is_told_from_other_wrong_json() {
    let api = Api::start().await;
    let account = api.account().await;
    for operation in operations().into_iter().filter(|operation| operation.body.is_some()) {
        let body = b"{\n\"text\": \"two\nlines\"}".to_vec();
        let refused = raw(&api, &operation, &account, Some("application/json"), body).await;
        let sentence = "Has a raw line break in a string, in line 2. In JSON it is written \\n";
        assert_eq!(refused.field_error("body"), sentence);
    }
}

#[tokio::test]
async fn a_text_that_shows_nothing_is_refused_and_one_that_shows_something_keeps_every_byte() {
    let api = Api::start().await;
    let account = api.account().await;
    let send = async |text: &str| {
        let body = json!({ "sessionId": account.session, "to": "919876543210", "text": text });
        api.post("/api/messages/send-text", account.person(), body).await
    };
    for nothing in ["\n", " \t\r\n", "\u{200b}", "\u{ad}\u{feff}", "\u{2060}\u{200d}\u{200e}", "\u{2800}", "\u{3164}"] {
        assert!(send(nothing).await.field_error("text").starts_with("Must have something to see"));
        let named = json!({ "name": nothing, "engine": "sandbox" });
        api.post("/api/v1/whatsapp", account.person(), named.clone()).await.field_error("name");
        let session = format!("/api/v1/whatsapp/{}", account.session);
        api.patch(&session, account.person(), json!({ "name": nothing })).await.field_error("name");
        api.post("/api/api-keys", account.person(), json!({ "name": nothing })).await.field_error("name");
        let who =
            json!({ "name": nothing, "email": "e@example.com", "password": "correct horse", "businessName": "E" });
        api.post("/api/auth/register", Credential::None, who).await.field_error("name");
        let what =
            json!({ "name": "E", "email": "e@example.com", "password": "correct horse", "businessName": nothing });
        api.post("/api/auth/register", Credential::None, what).await.field_error("businessName");
    }
    assert_eq!(rows(&api, &account).await, [json!(1), json!(1), json!(0)]);
    for shown in [" a\n ", "👩\u{200d}💻", "\u{200b}0\u{200b}"] {
        let id = string(&send(shown).await.data(StatusCode::OK)["id"]);
        let message = api.get(&format!("/api/messages/{id}"), account.person()).await.data(StatusCode::OK);
        assert_eq!(message["text"], shown);
    }
}

#[tokio::test]
async fn in_a_query_a_blank_before_an_offset_is_the_plus() {
    let api = Api::start().await;
    let account = api.account().await;
    api.text(&account, "919876543210", "Hello").await;
    // The clock of these tests stands at 2027-01-15T08:00:00Z.
    for (query, found) in [
        ("from=2027-01-15T13:29:00+05:30", 1),
        ("from=2027-01-15%2013:29:00%2B05:30", 1),
        ("until=2027-01-15T13:29:00+05:30", 0),
    ] {
        let listed = api.get(&format!("/api/messages?{query}"), account.person()).await.data(StatusCode::OK);
        assert_eq!(listed.as_array().unwrap().len(), found, "{query}");
    }
    let body = json!({
        "sessionId": account.session, "to": "919876543210", "text": "Hello", "sendAt": "2027-01-15T18:00:00 05:30",
    });
    api.post("/api/messages/send-text", account.person(), body).await.field_error("sendAt");
}
