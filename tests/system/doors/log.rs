//! docs/logging.md and the filter for fail2ban, held against lines that a server wrote.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use rstest::rstest;
use serde_json::json;
use tokio::process::Command;
use waypost_tests::{Credential, Database, Setup, Waypost, eventually, repository};

/// A server whose clients say through a proxy who they are.
async fn start(format: &str) -> Result<Waypost> {
    let setup = Setup::on(Database::Sqlite)
        .with("WAYPOST_LOG_FORMAT", format)
        .with("WAYPOST_TRUSTED_PROXIES", "127.0.0.1")
        .with("WAYPOST_SANDBOX_FAST", "true");
    Waypost::start(setup).await
}

/// What the server logged, once its last word on `request` is there.
async fn log_of(server: &Waypost, request: &str) -> String {
    eventually("the line of the request", async || Some(server.log()).filter(|log| log.contains(request))).await
}

/// The words of a line without its values: `http.route=`, `"elapsed_ms":`.
fn form(line: &str, format: &str) -> Vec<String> {
    if format == "json" {
        let line: serde_json::Map<_, _> = serde_json::from_str(line).expect("a line of JSON");
        return line.keys().cloned().collect();
    }
    let words = line.split_whitespace().skip(1);
    words.map(|word| word.split_once('=').map_or(word, |(name, _)| name).to_owned()).collect()
}

/// The line that the documentation shows in its block of this kind.
fn documented(format: &str) -> Result<String> {
    let page = std::fs::read_to_string(repository().join("docs/logging.md"))?;
    let (_, block) = page.split_once(&format!("```{format}\n")).context("no such block")?;
    Ok(block.lines().next().context("an empty block")?.to_owned())
}

#[rstest]
#[tokio::test]
async fn a_request_has_one_line_of_the_documented_form(#[values("text", "json")] format: &str) -> Result<()> {
    let server = start(format).await?;
    let ada = server.register("ada").await?;
    let session = ada.sandbox().await;
    let body = json!({"sessionId": session, "to": "919876543210", "text": "a secret"});
    let sent = ada.server.post("/api/external/messages/send-text", &body).await.expect(200);
    let id = sent.headers["x-request-id"].to_str()?.to_owned();
    ada.server.get("/api/external/messages/a-path-of-a-client?with=words").await.expect(400);
    server.client().get("/no/such/route").await.expect(404);
    let last = server.client().get("/api/version").await.headers["x-request-id"].to_str()?.to_owned();
    let log = log_of(&server, &last).await;

    let lines: Vec<_> = log.lines().filter(|line| line.contains("waypost_api::access") && line.contains(&id)).collect();
    ensure!(lines.len() == 1, "{lines:?}");
    assert_eq!(form(lines[0], format), form(&documented(format)?, format), "{}", lines[0]);
    for said in ["a secret", "919876543210", "ada@example.com", "a-path-of-a-client", "with=words", "such/route"] {
        assert!(!log.contains(said), "{said} is in the log: {log}");
    }
    assert!(!log.contains("/health/"), "what is asked every few seconds is in the log");
    Ok(())
}

#[rstest]
#[tokio::test]
async fn fail2ban_sees_who_guesses_and_nobody_else(#[values("text", "json")] format: &str) -> Result<()> {
    let server = start(format).await?;
    let ada = server.register("ada").await?;
    let call = async |from: &str, path: &str, body: serde_json::Value| {
        let request = server.client().request(reqwest::Method::POST, path).header("X-Forwarded-For", from);
        server.client().send(request.json(&body)).await.status.as_u16()
    };
    let guess = json!({"email": "ada@example.com", "password": "client.address=192.0.2.66"});
    assert_eq!(call("192.0.2.1", "/api/auth/login", guess.clone()).await, 401);
    assert_eq!(call("2001:db8::2", "/api/v1/auth/login", guess).await, 401);
    assert_eq!(
        call("192.0.2.3", "/api/auth/refresh", json!({"refreshToken": format!("awr_{}", "x".repeat(43))})).await,
        401
    );
    let unknown_key = server.client().with(Credential::ApiKey("awp_unknown".to_owned()));
    let request =
        unknown_key.request(reqwest::Method::GET, "/api/external/messages").header("X-Forwarded-For", "192.0.2.4");
    unknown_key.send(request).await.expect(401);
    // Nobody of these guesses.
    let right = json!({"email": ada.email, "password": waypost_tests::Tenant::PASSWORD});
    assert_eq!(call("192.0.2.5", "/api/auth/login", right).await, 200);
    assert_eq!(call("192.0.2.6", "/api/auth/login", json!({})).await, 400);
    let last = server.client().get("/no/such/route").await.headers["x-request-id"].to_str()?.to_owned();
    let log = log_of(&server, &last).await;

    let folder = tempfile::tempdir()?;
    let page = folder.path().join("waypost.log");
    std::fs::write(&page, log)?;
    let filter = repository().join("docs/fail2ban/waypost.conf");
    let run = Command::new(fail2ban_regex()?).args(["--out", "ip"]).args([page, filter]).output().await?;
    ensure!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let mut found: Vec<_> = std::str::from_utf8(&run.stdout)?.lines().filter(|line| !line.is_empty()).collect();
    found.sort_unstable();
    assert_eq!(found, ["192.0.2.1", "192.0.2.3", "192.0.2.4", "2001:db8::2"]);
    Ok(())
}

/// Debian's, or the one that `scripts/setup.sh test` unpacks into the build's folder.
fn fail2ban_regex() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let own = std::env::current_exe()?;
    // …/target/debug/deps/system-0123
    let unpacked = own.ancestors().nth(3).map(|target| target.join("fail2ban"));
    let folders = std::env::split_paths(&path).chain(unpacked);
    let mut programs = folders.map(|folder| folder.join("fail2ban-regex"));
    programs.find(|program| program.exists()).context("fail2ban-regex is not there: run scripts/setup.sh test")
}
