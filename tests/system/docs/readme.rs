//! The README's example is run as it is written.

use anyhow::{Context, Result};
use tokio::process::Command;
use waypost_tests::{Database, Setup, Tenant, Waypost, repository};

const HEADING: &str = "## Try it in ten lines";

/// The first `bash` block under the heading.
fn example(readme: &str) -> Result<&str> {
    let (_, section) = readme.split_once(HEADING).with_context(|| format!("the README has no {HEADING:?}"))?;
    let (_, block) = section.split_once("```bash\n").context("no bash block under the heading")?;
    let (block, _) = block.split_once("```").context("the block does not end")?;
    Ok(block)
}

#[tokio::test]
async fn the_ten_lines_of_the_readme_show_a_message_that_was_read() -> Result<()> {
    // As it is on a fresh installation: open to the first tenant.
    let server = Waypost::start(Setup::on(Database::Sqlite).with("WAYPOST_REGISTRATION_OPEN", "first")).await?;
    let readme = std::fs::read_to_string(repository().join("README.md"))?;
    let example = example(&readme)?;
    let lines = example.lines().filter(|line| !line.trim().is_empty()).count();
    assert!(lines <= 10, "the ten lines are {lines}");

    let run = Command::new("bash").args(["-euo", "pipefail", "-c", example]).env("URL", &server.client().base).output();
    let output = tokio::time::timeout(waypost_tests::DEADLINE, run).await.context("the example does not end")??;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "the example fails: {out}\n{err}");
    let shown = out.find('{').map_or("", |at| &out[at..]);
    let shown: serde_json::Value = serde_json::from_str(shown).with_context(|| format!("the example shows {out}"))?;
    assert_eq!(shown["status"], "read", "{out}");
    assert_eq!(Tenant::timeline(&shown).last().map(String::as_str), Some("read"));
    Ok(())
}
