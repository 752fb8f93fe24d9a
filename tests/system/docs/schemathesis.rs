//! schemathesis reads the served document and calls every route of it, rightly and wrongly, with what the document says
//! and with what it does not, and compares each answer with what the document says of it.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;
use tokio::process::Command;
use waypost_tests::{Credential, Database, Setup, Simulator, Tenant, Waypost, repository};

/// It makes some thousand calls.
const PATIENCE: Duration = Duration::from_mins(8);

const OPERATOR: &str = "0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn schemathesis_finds_nothing_in_the_whole_document() -> Result<()> {
    let folder = repository().join("tests/schemathesis");
    let program = folder.join(".venv/bin/schemathesis");
    if !program.exists() {
        bail!("{} is missing. `make test` installs it (scripts/test.sh)", program.display());
    }
    // A session that is linked to WhatsApp talks to a simulator and to nothing else.
    let simulator = Simulator::start().await?;
    let setup = Setup::on(Database::Sqlite)
        .talking_to(&simulator)
        .with("WAYPOST_OPERATOR_TOKEN", OPERATOR)
        .with("WAYPOST_RATE_LIMIT_PER_MINUTE", "0")
        .with("WAYPOST_REGISTRATIONS_PER_HOUR", "0")
        .with("WAYPOST_REGISTRATIONS_PER_HOUR_IN_ALL", "0")
        .with("WAYPOST_OPEN_REQUESTS_PER_MINUTE", "0")
        .with("WAYPOST_OPEN_REQUESTS_PER_SECOND", "0")
        .with("WAYPOST_LOGIN_FAILURES_PER_MINUTE", "0")
        .with("WAYPOST_LOGIN_FAILURES_PER_EMAIL", "0")
        .with("WAYPOST_REFUSED_CREDENTIALS_PER_MINUTE", "0")
        .with("WAYPOST_LOOKUPS_PER_MINUTE", "1000000")
        .with("WAYPOST_LOOKUP_BURST", "1000000")
        .with("WAYPOST_SANDBOX_FAST", "true");
    let server = Waypost::start(setup).await?;
    let ada = server.register("ada").await?;
    let session = ada.sandbox().await;
    let message = ada.send_text(&session, "919876543210", "hello").await;
    let keys = ada.person.get("/api/api-keys").await.data();
    let key_id = keys[0]["id"].as_str().context("a key has an id")?;
    let login = json!({"email": ada.email, "password": Tenant::PASSWORD});
    let second = server.client().post("/api/auth/login", &login).await.data();
    let second = second["accessToken"].as_str().context("a token")?;
    let (Credential::Bearer(token), Credential::ApiKey(key)) = (&ada.person.credential, &ada.server.credential) else {
        unreachable!("a tenant has a token and a key")
    };

    let written = tempfile::tempdir()?;
    let mut command = Command::new(program);
    command.current_dir(written.path()).kill_on_drop(true);
    command.args(["--config-file", &folder.join("schemathesis.toml").to_string_lossy()]);
    command.args(["run", &format!("{}/api/openapi.json", server.client().base), "--checks", "all"]);
    command.env("SCHEMATHESIS_HOOKS", folder.join("hooks.py"));
    command.envs([
        ("TOKEN", token.as_str()),
        ("SECOND_TOKEN", second),
        ("KEY", key.as_str()),
        ("KEY_ID", key_id),
        ("OPERATOR", OPERATOR),
        ("SESSION", session.as_str()),
        ("MESSAGE", message.as_str()),
    ]);
    let output = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = output.context("schemathesis does not end")??;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    Ok(())
}
