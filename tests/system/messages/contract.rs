//! The contract's own examples, run by curl as they stand: only the host, the credentials and the session's id are
//! other ones. `contract/messages-api.txt` is the user's description of the system.
//!
//! One liberty is taken, and asserted: every example lacks the backslash before its last line, so its lines are joined.

use std::fs;

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::process::Command;
use waypost_tests::{Client, Credential, Database, Setup, Waypost, repository};

/// One endpoint's example.
#[derive(Debug, Clone, PartialEq)]
struct Example {
    /// `POST/api/messages/send-text`, as its heading says.
    endpoint: String,
    /// The curl command, on one line.
    curl: String,
    /// The answer.
    response: Value,
}

fn contract() -> Result<String> {
    let path = repository().join("tests/contract/messages-api.txt");
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// Every endpoint of the contract with its example.
fn examples(contract: &str) -> Result<Vec<Example>> {
    let mut found = Vec::new();
    let mut endpoint = String::new();
    let mut lines = contract.lines().peekable();
    let mut curl = String::new();
    while let Some(line) = lines.next() {
        if line.starts_with("POST/") || line.starts_with("GET/") {
            line.clone_into(&mut endpoint);
        } else if line.starts_with("curl ") {
            line.trim_end_matches('\\').clone_into(&mut curl);
            while let Some(more) = lines.next_if(|line| !line.is_empty()) {
                curl += more.trim_end_matches('\\');
            }
        } else if line.starts_with("Response example") {
            let body: Vec<&str> =
                lines.by_ref().skip_while(|line| line.is_empty()).take_while(|line| !line.is_empty()).collect();
            let response =
                serde_json::from_str(&body.join("\n")).with_context(|| format!("the answer of {endpoint}"))?;
            found.push(Example { endpoint: endpoint.clone(), curl: std::mem::take(&mut curl), response });
        }
    }
    Ok(found)
}

fn example(endpoint: &str) -> Result<Example> {
    examples(&contract()?)?
        .into_iter()
        .find(|example| example.endpoint == endpoint)
        .with_context(|| format!("the contract has no example of {endpoint}"))
}

/// Runs an example and returns the HTTP status and the body.
async fn run(example: &Example, client: &Client, session: &str, message: &str) -> Result<(u16, Value)> {
    let mut command = example.curl.replace("https://api.actiwapi.com", &client.base);
    command = match &client.credential {
        Credential::Bearer(token) => command.replace("{accessToken}", token),
        Credential::ApiKey(key) => command.replace("{apiKey}", key),
        Credential::None => command,
    };
    command =
        command.replace("{id}", message).replace(r#""sessionId": "uuid""#, &format!(r#""sessionId": "{session}""#));
    let output = Command::new("bash").args(["-c", &format!(r"{command} -sS -w '\n%{{http_code}}'")]).output().await?;
    let text = String::from_utf8(output.stdout)?;
    let (body, status) = text.rsplit_once('\n').with_context(|| format!("curl said {text}"))?;
    Ok((status.parse()?, serde_json::from_str(body).with_context(|| format!("the answer {body}"))?))
}

/// What of `expected` the answer lacks or has otherwise; `"uuid"` stands for any id. More fields may be there.
fn lacks(expected: &Value, answer: &Value, at: &str) -> Vec<String> {
    match (expected, answer) {
        (Value::Object(fields), Value::Object(_)) => {
            fields.iter().flat_map(|(name, value)| lacks(value, &answer[name], &format!("{at}/{name}"))).collect()
        }
        (Value::String(uuid), Value::String(id)) if uuid == "uuid" && id.len() == 36 => Vec::new(),
        _ if expected == answer => Vec::new(),
        _ => vec![format!("{at}: {expected} in the contract, {answer} in the answer")],
    }
}

#[test]
fn the_copy_of_the_contract_is_the_contract() -> Result<()> {
    // Where the project is worked on, its owner's papers lie beside the repository.
    let original = repository().join("../shared/contract/messages-api.txt");
    if original.exists() {
        assert_eq!(fs::read_to_string(original)?, contract()?);
    }
    Ok(())
}

#[test]
fn every_endpoint_of_the_contract_has_an_example() -> Result<()> {
    let endpoints: Vec<String> = examples(&contract()?)?.into_iter().map(|it| it.endpoint).collect();
    assert_eq!(
        endpoints,
        [
            "POST/api/messages/send-text",
            "POST/api/messages/send-image",
            "GET/api/messages/{id}",
            "POST/api/external/messages/send-text"
        ]
    );
    Ok(())
}

#[tokio::test]
async fn the_examples_work_as_they_stand() -> Result<()> {
    // The example of a status is `delivered`: a phone that reads later than the test runs.
    let server = Waypost::start(Setup::on(Database::Sqlite).with("WAYPOST_SANDBOX_READ_DELAY", "1h")).await?;
    let ada = server.register("ada").await?;
    let session = ada.sandbox().await;

    let send = example("POST/api/messages/send-text")?;
    let (status, answer) = run(&send, &ada.person, &session, "").await?;
    assert_eq!((status, lacks(&send.response, &answer, "")), (200, Vec::new()));
    let id = answer["data"]["id"].as_str().context("an id")?.to_owned();
    ada.wait_message(&id, "delivered").await;

    let get = example("GET/api/messages/{id}")?;
    let (status, answer) = run(&get, &ada.person, &session, &id).await?;
    assert_eq!((status, lacks(&get.response, &answer, "")), (200, Vec::new()));
    assert_eq!(answer["data"]["id"], id);

    let external = example("POST/api/external/messages/send-text")?;
    let (status, answer) = run(&external, &ada.server, &session, "").await?;
    assert_eq!((status, lacks(&external.response, &answer, "")), (200, Vec::new()));
    Ok(())
}

#[tokio::test]
async fn the_examples_fail_as_the_contract_says_without_a_credential_or_with_the_other_kind() -> Result<()> {
    let server = Waypost::start(Setup::on(Database::Sqlite)).await?;
    let ada = server.register("ada").await?;
    let session = ada.sandbox().await;
    let send = example("POST/api/messages/send-text")?;
    let Credential::ApiKey(key) = ada.server.credential.clone() else { unreachable!("the tenant's server has a key") };
    let crossed = ada.person.with(Credential::Bearer(key));
    for client in [ada.person.with(Credential::Bearer(String::new())), crossed] {
        let (status, answer) = run(&send, &client, &session, "").await?;
        assert_eq!((status, &answer["code"]), (401, &Value::from("UNAUTHORIZED")), "{answer}");
    }
    Ok(())
}
