//! Tenants are walls, on every route of the API: the routes are read from the server's own document, so a new one is
//! tested from its first day.

use anyhow::{Context, Result};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use waypost_tests::{Answer, Client, Credential, Database, Setup, Tenant, Waypost};

/// A route of the document.
#[derive(Debug, Clone)]
struct Route {
    method: Method,
    path: String,
    /// The names of the security schemes that open it; none for a public one.
    schemes: Vec<String>,
    /// An example of its body, where it takes one.
    body: Option<Value>,
}

impl Route {
    fn is_by_api_key(&self) -> bool {
        self.path.contains("/external/")
    }

    async fn call(&self, client: &Client, path: &str, body: Option<&Value>) -> Answer {
        let mut request = client.request(self.method.clone(), path);
        if let Some(body) = body {
            request = request.json(body);
        }
        client.send(request).await
    }
}

async fn routes(server: &Waypost) -> Result<Vec<Route>> {
    let document = server.client().get("/api/openapi.json").await.expect(200).body;
    let mut routes = Vec::new();
    for (path, operations) in document["paths"].as_object().context("the document has paths")? {
        for (method, operation) in operations.as_object().context("a path has operations")? {
            let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
            if !["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&method.as_str()) {
                continue;
            }
            let security = operation.get("security").or_else(|| document.get("security"));
            let schemes = security.and_then(Value::as_array).into_iter().flatten();
            let schemes = schemes.filter_map(Value::as_object).flat_map(|it| it.keys().cloned()).collect();
            let body = sample(&operation["requestBody"]["content"]["application/json"]["schema"], &document);
            routes.push(Route { method, path: path.clone(), schemes, body });
        }
    }
    assert!(routes.len() > 15, "the document lists {} routes only", routes.len());
    Ok(routes)
}

/// A value of a schema: its own example, or one made of its parts.
fn sample(schema: &Value, document: &Value) -> Option<Value> {
    if let Some(reference) = schema["$ref"].as_str() {
        return sample(document.pointer(reference.trim_start_matches('#'))?, document);
    }
    if let Some(example) = schema.get("example").or_else(|| schema["examples"].get(0)) {
        return Some(example.clone());
    }
    let properties = schema["properties"].as_object()?;
    let samples = properties.iter().filter_map(|(name, schema)| Some((name.clone(), sample(schema, document)?)));
    Some(samples.collect::<serde_json::Map<_, _>>().into())
}

/// A tenant with one of everything that has an id.
struct Household {
    tenant: Tenant,
    session: String,
    message: String,
    api_key: String,
}

impl Household {
    async fn new(server: &Waypost, name: &str) -> Result<Self> {
        let tenant = server.register(name).await?;
        let session = tenant.sandbox().await;
        let message = tenant.send_text(&session, "919876543210", "hello").await;
        let key = tenant.person.post("/api/api-keys", &json!({"name": "second"})).await.expect(201).data();
        let api_key = key["id"].as_str().context("a key has an id")?.to_owned();
        Ok(Self { tenant, session, message, api_key })
    }

    /// The id of what this path is about.
    fn id_for(&self, path: &str) -> &str {
        if path.contains("/messages/") {
            &self.message
        } else if path.contains("/whatsapp/") {
            &self.session
        } else if path.contains("/api-keys/") {
            &self.api_key
        } else {
            panic!("{path}: say here whose id it takes")
        }
    }

    fn client(&self, route: &Route) -> &Client {
        if route.is_by_api_key() { &self.tenant.server } else { &self.tenant.person }
    }
}

/// `body` about `session` instead of the example's.
fn about(body: &Value, session: &str) -> Value {
    let mut body = body.clone();
    body["sessionId"] = session.into();
    body
}

/// An answer without what differs from call to call.
fn bare(answer: &Answer) -> (u16, Value) {
    let mut body = answer.body.clone();
    if let Some(body) = body.as_object_mut() {
        body.remove("requestId");
    }
    (answer.status.as_u16(), body)
}

const NOBODYS: &str = "01900000-0000-7000-8000-000000000000";

#[rstest]
#[tokio::test]
async fn no_id_of_another_tenant_is_distinguishable_from_one_that_does_not_exist(
    #[values(Database::Sqlite, Database::Postgres)] database: Database,
) -> Result<()> {
    let server = Waypost::start(Setup::on(database)).await?;
    let ada = Household::new(&server, "ada").await?;
    let eve = Household::new(&server, "eve").await?;
    let mut tried = 0;
    for route in routes(&server).await? {
        let client = eve.client(&route);
        let (theirs, nobodys, bodies) = if route.path.contains('{') {
            let parameter =
                &route.path[route.path.find('{').context("a brace")?..=route.path.find('}').context("a brace")?];
            let fill = |id: &str| route.path.replace(parameter, id);
            (fill(ada.id_for(&route.path)), fill(NOBODYS), [route.body.clone(), route.body.clone()])
        } else if let Some(body) = route.body.as_ref().filter(|body| body.get("sessionId").is_some()) {
            let bodies = [about(body, &ada.session), about(body, NOBODYS)].map(Some);
            (route.path.clone(), route.path.clone(), bodies)
        } else {
            continue;
        };
        let answer = route.call(client, &theirs, bodies[0].as_ref()).await;
        assert_eq!(answer.status, 404, "{} {} gave {}", route.method, route.path, answer.body);
        assert_eq!(answer.body["code"], "NOT_FOUND", "{} {}", route.method, route.path);
        let nothing = route.call(client, &nobodys, bodies[1].as_ref()).await;
        assert_eq!(bare(&answer), bare(&nothing), "{} {}", route.method, route.path);
        tried += 1;
    }
    assert!(tried >= 12, "only {tried} routes take an id");

    // Nothing of it touched what is Ada's, and Eve sees none of it.
    assert_eq!(ada.tenant.session(&ada.session).await["status"], "connected");
    ada.tenant.wait_message(&ada.message, "read").await;
    for path in ["/api/messages", "/api/v1/whatsapp", "/api/api-keys"] {
        let list = eve.tenant.person.get(path).await.expect(200);
        let text = String::from_utf8(list.bytes)?;
        for id in [&ada.session, &ada.message, &ada.api_key] {
            assert!(!text.contains(id.as_str()), "{path} shows {id}: {text}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn every_route_but_the_public_ones_wants_its_own_kind_of_credential() -> Result<()> {
    let server = Waypost::start(Setup::on(Database::Sqlite)).await?;
    let ada = Household::new(&server, "ada").await?;
    let (Credential::Bearer(token), Credential::ApiKey(key)) =
        (ada.tenant.person.credential.clone(), ada.tenant.server.credential.clone())
    else {
        unreachable!("a tenant has a token and a key")
    };
    let as_token = server.client().with(Credential::Bearer(key.clone()));
    let as_key = server.client().with(Credential::ApiKey(token.clone()));
    let mut public = Vec::new();
    for route in routes(&server).await? {
        let path = match route.path.find('{') {
            Some(at) => {
                route.path.replace(&route.path[at..=route.path.find('}').context("a brace")?], ada.id_for(&route.path))
            }
            None => route.path.clone(),
        };
        if route.schemes.is_empty() {
            public.push(format!("{} {}", route.method, route.path));
            continue;
        }
        assert_eq!(route.schemes.len(), 1, "{} {}: {:?}", route.method, route.path, route.schemes);
        let other_kind = if route.is_by_api_key() { &ada.tenant.person } else { &ada.tenant.server };
        let garbage = if route.is_by_api_key() { &as_key } else { &as_token };
        for client in [server.client(), other_kind, garbage] {
            let answer = route.call(client, &path, route.body.as_ref()).await;
            assert_eq!(answer.status, 401, "{} {} gave {}", route.method, route.path, answer.body);
            assert_eq!(answer.body["code"], "UNAUTHORIZED", "{} {}", route.method, route.path);
        }
    }
    public.sort();
    insta::assert_snapshot!(public.join("\n"));
    Ok(())
}
