//! Promise 9, over every route of the document: another tenant's ids are answered exactly as ids of nothing, nothing
//! comes of it, and nobody comes in without the credential that a route wants.

use axum::{
    body::Body,
    http::{Method, StatusCode, header},
};
use serde_json::{Map, Value, json};

use crate::{
    document::document,
    support::{Account, Answer, Api, Credential, OPERATOR, request, string},
};

const NOBODYS: &str = "0192f3a0-0000-7000-8000-000000000001";

/// One operation of the document.
pub struct Operation {
    pub method: Method,
    pub path: String,
    /// The scheme that lets callers in, and the role or the scopes that it asks for; none for a route for everyone.
    pub security: Option<(String, Vec<String>)>,
    /// The properties of its JSON body, where it takes one, and the names of those that it needs.
    pub body: Option<(Map<String, Value>, Vec<String>)>,
    pub parameters: Vec<String>,
}

pub fn operations() -> Vec<Operation> {
    let document = document();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"]["$ref"];
            let body = schema.as_str().map(|reference| {
                let schema = document.pointer(reference.trim_start_matches('#')).unwrap();
                let required = schema["required"].as_array().into_iter().flatten();
                let required = required.map(|name| name.as_str().unwrap().to_owned()).collect();
                (schema["properties"].as_object().unwrap().clone(), required)
            });
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            operations.push(Operation {
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
                security: operation["security"][0].as_object().map(|requirement| {
                    let (name, asked) = requirement.iter().next().unwrap();
                    (name.clone(), asked.as_array().unwrap().iter().map(string).collect())
                }),
                body,
                parameters: parameters
                    .filter(|parameter| parameter["in"] == "query")
                    .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
                    .collect(),
            });
        }
    }
    operations
}

impl Operation {
    /// A body that is right in everything, made of the document's own examples.
    pub fn good_body(&self) -> Option<Value> {
        let (properties, _) = self.body.as_ref()?;
        let examples = properties.iter().filter(|(_, schema)| !schema["example"].is_null());
        let mut body: Map<_, _> = examples.map(|(name, schema)| (name.clone(), schema["example"].clone())).collect();
        if self.path.ends_with("/refresh") {
            body.insert("refreshToken".into(), "awr_nobody".into());
        }
        Some(body.into())
    }

    pub async fn call(&self, api: &Api, path: &str, credential: Credential<'_>, body: Option<&Value>) -> Answer {
        let bytes = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let mut request = request(self.method.clone(), path, credential, bytes);
        if body.is_some() {
            request.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
        }
        api.send(request).await
    }

    /// The name of the scheme that lets callers in.
    fn scheme(&self) -> Option<&str> {
        self.security.as_ref().map(|(scheme, _)| scheme.as_str())
    }

    /// The credential of the right kind.
    pub fn credential<'a>(&self, account: &'a Account) -> Credential<'a> {
        match self.scheme() {
            Some("accessToken") => account.person(),
            Some("apiKey") => account.server(),
            Some("operatorToken") => Credential::Token(OPERATOR),
            Some(other) => panic!("{other}"),
            None => Credential::None,
        }
    }
}

/// All that a tenant can see of itself.
async fn everything_of(api: &Api, account: &Account) -> Vec<Value> {
    let mut seen = Vec::new();
    for path in ["/api/auth/me", "/api/api-keys", "/api/v1/whatsapp", "/api/messages"] {
        let mut data = api.get(path, account.person()).await.data(StatusCode::OK);
        for row in data.as_array_mut().into_iter().flatten() {
            row.as_object_mut().unwrap().remove("lastUsedAt");
        }
        seen.push(data);
    }
    seen
}

#[tokio::test]
async fn another_tenants_ids_are_as_good_as_none_on_every_route() {
    let api = Api::start().await;
    let (own, foreign) = (api.account().await, api.account().await);
    let message = api.text(&foreign, "919876543210", "secret").await;
    let before = everything_of(&api, &foreign).await;
    let mut tried = 0;
    for operation in operations() {
        let in_path = operation.path.contains("{id}");
        let body = operation.good_body();
        let in_body = body.as_ref().is_some_and(|body| body["sessionId"].is_string());
        if !in_path && !in_body {
            continue;
        }
        let id = match &operation.path {
            path if path.contains("api-keys") => &foreign.key_id,
            path if path.contains("whatsapp") => &foreign.session,
            path if path.contains("messages") => &message,
            path => panic!("whose id does {path} take?"),
        };
        let call = async |id: &str, session: &str| {
            let mut body = body.clone();
            if let Some(body) = body.as_mut().filter(|_| in_body) {
                body["sessionId"] = session.into();
            }
            let path = operation.path.replace("{id}", id);
            let answer = operation.call(&api, &path, operation.credential(&own), body.as_ref()).await;
            answer.error(StatusCode::NOT_FOUND, "NOT_FOUND")
        };
        let theirs = call(id, &foreign.session).await;
        assert_eq!(theirs, call(NOBODYS, NOBODYS).await, "{} {}", operation.method, operation.path);
        tried += 1;
    }
    assert!(tried >= 20, "the document has routes with ids: {tried}");
    assert_eq!(everything_of(&api, &foreign).await, before);
    assert_eq!(everything_of(&api, &own).await[3], json!([]));
}

#[tokio::test]
async fn a_filter_by_another_tenants_session_finds_nothing() {
    let api = Api::start().await;
    let (own, foreign) = (api.account().await, api.account().await);
    api.text(&foreign, "919876543210", "secret").await;
    let path = format!("/api/messages?sessionId={}", foreign.session);
    assert_eq!(api.get(&path, own.person()).await.data(StatusCode::OK), json!([]));
}

#[tokio::test]
async fn nobody_comes_in_without_the_credential_that_the_route_wants() {
    let api = Api::start().await;
    let account = api.account().await;
    let before = everything_of(&api, &account).await;
    for operation in operations().into_iter().filter(|operation| operation.security.is_some()) {
        let wrong_kind = match operation.scheme() {
            Some("apiKey" | "operatorToken") => account.person(),
            _ => account.server(),
        };
        for credential in [Credential::None, wrong_kind] {
            for path in [&operation.path, &operation.path.replacen("/api/", "/api/v1/", 1).replace("/v1/v1/", "/v1/")] {
                let path = path.replace("{id}", &account.session);
                let answer = operation.call(&api, &path, credential, operation.good_body().as_ref()).await;
                answer.error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
            }
        }
    }
    assert_eq!(everything_of(&api, &account).await, before);
}
