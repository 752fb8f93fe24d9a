//! Who may do what: every route of the document, with every single scope, every role and the operator, is open to those
//! whom the document names and to nobody else; and nobody sees a code that links an account but who may link one.

use axum::http::StatusCode;
use serde_json::{Value, json};
use waypost_domain::{Role, Scope};

use crate::{
    support::{Answer, Api, Credential, OPERATOR, string},
    unlinked::{PAIRING, QR},
    walls::{Operation, operations},
};

const NOBODYS: &str = "0192f3a0-0000-7000-8000-000000000001";

/// Somebody who calls.
struct Caller {
    /// The name of their way in, as the document has it.
    scheme: &'static str,
    /// What they have: scopes, or a role and those below it.
    has: Vec<&'static str>,
    secret: String,
    /// A session of their tenant, which waits with a QR code.
    session: String,
}

impl Caller {
    fn credential(&self) -> Credential<'_> {
        match self.scheme {
            "none" => Credential::None,
            "apiKey" => Credential::Key(&self.secret),
            _ => Credential::Token(&self.secret),
        }
    }

    /// Whether they may see what links an account.
    fn may_link(&self) -> bool {
        self.scheme == "accessToken" || self.has.contains(&Scope::SessionsWrite.as_str())
    }

    /// The status that keeps them out of a route, if the document keeps them out.
    fn kept_out(&self, operation: &Operation) -> Option<StatusCode> {
        match &operation.security {
            None => None,
            Some((scheme, _)) if scheme != self.scheme => Some(StatusCode::UNAUTHORIZED),
            Some((_, asked)) if asked.iter().all(|asked| self.has.contains(&asked.as_str())) => None,
            Some(_) => Some(StatusCode::FORBIDDEN),
        }
    }

    /// Calls a route about their own session. Those who may change it name one that is not there, so that it stays.
    async fn call(&self, api: &Api, operation: &Operation) -> Answer {
        let id = if self.may_link() { NOBODYS } else { &self.session };
        let path = operation.path.replace("{id}", id);
        let mut body = operation.good_body();
        if let Some(body) = body.as_mut().filter(|body| body["sessionId"].is_string()) {
            body["sessionId"] = id.into();
        }
        operation.call(api, &path, self.credential(), body.as_ref()).await
    }
}

/// Nobody, the operator, a person of each role and a key of each single scope.
async fn callers(api: &Api) -> Vec<Caller> {
    let mut callers = Vec::new();
    for role in Role::ALL {
        let token = api.person(role).await;
        let session = json!({ "name": "shop", "engine": "whatsapp" });
        let session = api.post("/api/v1/whatsapp", Credential::Token(&token), session).await.data(StatusCode::CREATED);
        let session = string(&session["id"]);
        let connect = format!("/api/v1/whatsapp/{session}/connect");
        let waiting = api.post(&connect, Credential::Token(&token), json!({})).await.data(StatusCode::OK);
        assert_eq!(waiting["qr"], QR, "a person sees it");
        if role == Role::Owner {
            for scope in Scope::ALL {
                let body = json!({ "name": scope.as_str(), "scopes": [scope.as_str()] });
                let key = api.post("/api/api-keys", Credential::Token(&token), body).await.data(StatusCode::CREATED);
                let (has, secret) = (vec![scope.as_str()], string(&key["key"]));
                callers.push(Caller { scheme: "apiKey", has, secret, session: session.clone() });
            }
        }
        let has = Role::ALL.into_iter().filter(|least| role.includes(*least)).map(Role::as_str).collect();
        callers.push(Caller { scheme: "accessToken", has, secret: token, session });
    }
    for (scheme, secret) in [("operatorToken", OPERATOR), ("none", "")] {
        let session = callers[0].session.clone();
        callers.push(Caller { scheme, has: Vec::new(), secret: secret.into(), session });
    }
    callers
}

#[tokio::test]
async fn every_route_is_open_to_those_whom_the_document_names_and_to_nobody_else() {
    let api = Api::start().await;
    let (mut open, mut forbidden) = (0, 0);
    for caller in callers(&api).await {
        // The logout ends what the others come in with.
        let (last, routes): (Vec<_>, Vec<_>) =
            operations().into_iter().partition(|route| route.path.ends_with("/logout") && !route.path.contains("{id}"));
        for operation in routes.into_iter().chain(last) {
            let answer = caller.call(&api, &operation).await;
            let what = format!("{} {} as {} {:?}", operation.method, operation.path, caller.scheme, caller.has);
            match caller.kept_out(&operation) {
                Some(status) => {
                    assert_eq!(answer.status, status, "{what}");
                    forbidden += usize::from(status == StatusCode::FORBIDDEN);
                }
                None if operation.security.is_some() => {
                    let kept_out = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&answer.status);
                    assert!(!kept_out, "{what}: {}", String::from_utf8_lossy(&answer.body));
                    open += 1;
                }
                None => {}
            }
        }
    }
    assert!(open > 70 && forbidden > 60, "{open} {forbidden}");
}

#[tokio::test]
async fn nobody_sees_a_code_that_links_an_account_but_who_may_link_one() {
    let api = Api::start().await;
    let callers = callers(&api).await;
    for caller in callers.iter().filter(|caller| !caller.may_link()) {
        for operation in operations() {
            let answer = caller.call(&api, &operation).await;
            let said = format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body));
            let shown = [QR, PAIRING].into_iter().find(|code| said.contains(code));
            assert_eq!(shown, None, "{} {} shows it to {:?}", operation.method, operation.path, caller.has);
        }
    }
    let owner = callers.iter().find(|caller| caller.scheme == "accessToken").unwrap();
    for (scopes, shown) in
        [(json!(["sessions:read"]), Value::Null), (json!(["sessions:read", "sessions:write"]), QR.into())]
    {
        let body = json!({ "name": "reader", "scopes": scopes });
        let key = api.post("/api/api-keys", owner.credential(), body).await.data(StatusCode::CREATED);
        let key = string(&key["key"]);
        let list = api.get("/api/external/whatsapp", Credential::Key(&key)).await.data(StatusCode::OK);
        let one = format!("/api/external/whatsapp/{}", owner.session);
        for session in [&list[0], &api.get(&one, Credential::Key(&key)).await.data(StatusCode::OK)] {
            assert_eq!(session["qr"], shown, "{scopes}");
            assert!(session["qrExpiresAt"].is_string(), "everybody sees that one waits");
        }
    }
}

#[test]
fn the_document_names_for_each_route_who_may_come_in() {
    let route = |operation: &Operation| {
        let who = operation.security.as_ref().map(|(scheme, asked)| format!("{scheme} {}", asked.join(" ")));
        let who = who.unwrap_or_else(|| "everyone".into());
        format!("{} {}: {}", operation.method, operation.path, who.trim())
    };
    insta::assert_snapshot!(operations().iter().map(route).collect::<Vec<_>>().join("\n"));
}
