//! Swagger UI in a real browser, cut off from every network but the server's: directly, and behind a proxy's prefix (case
//! A18.3).

use anyhow::{Context, Result, bail};
use tokio::process::Command;
use waypost_tests::{Credential, Database, Setup, Waypost, repository};

fn browser() -> Result<String> {
    let path = std::env::var("PATH").unwrap_or_default();
    for name in ["chromium", "chromium-browser", "google-chrome"] {
        if let Some(folder) = std::env::split_paths(&path).find(|folder| folder.join(name).exists()) {
            return Ok(folder.join(name).to_string_lossy().into_owned());
        }
    }
    bail!("no Chromium on the PATH. `make test` installs it where it may; WAYPOST_SKIP_BROWSER=1 leaves this test out")
}

#[tokio::test]
async fn the_documentation_works_offline_below_any_prefix_and_tries_out_both_credentials() -> Result<()> {
    if std::env::var("WAYPOST_SKIP_BROWSER").is_ok_and(|value| value == "1") {
        eprintln!("left out: WAYPOST_SKIP_BROWSER=1");
        return Ok(());
    }
    let browser = browser()?;
    let folder = repository().join("tests/browser");
    if !folder.join("node_modules").exists() {
        bail!("tests/browser/node_modules is missing. `make test` installs it; or run `npm ci` in tests/browser");
    }
    let server = Waypost::start(Setup::on(Database::Sqlite)).await?;
    let ada = server.register("ada").await?;
    let (Credential::Bearer(token), Credential::ApiKey(key)) = (ada.person.credential, ada.server.credential) else {
        unreachable!("a tenant has a token and a key")
    };
    let mut command = Command::new("node");
    command.arg(folder.join("swagger-ui.mjs")).kill_on_drop(true);
    command.args(["--browser", &browser, "--base", &server.client().base, "--token", &token, "--key", &key]);
    let output = tokio::time::timeout(waypost_tests::DEADLINE * 2, command.output()).await;
    let output = output.context("the browser does not end")??;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    Ok(())
}
