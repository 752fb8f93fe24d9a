//! Runs `waypost-chaos`, the long proof of crash safety, on programs built just now.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::generated::{build, target_folder};

/// The database server of the tests, when the run wants PostgreSQL.
const POSTGRES: &str = "WAYPOST_TEST_POSTGRES";

/// Builds the workspace as `make test` does and hands `arguments` on.
pub fn run(root: &Path, arguments: &[String]) -> Result<Vec<String>> {
    build(root)?;
    let mut chaos = Command::new(target_folder()?.join("waypost-chaos"));
    chaos.args(arguments).current_dir(root);
    if arguments.iter().any(|argument| argument.contains("postgres")) {
        chaos.env(POSTGRES, postgres(root)?);
    }
    let ended = chaos.status().context("cannot run waypost-chaos")?;
    Ok(if ended.success() { Vec::new() } else { vec![format!("waypost-chaos ended with {ended}")] })
}

/// The URL of a PostgreSQL to make a database on.
fn postgres(root: &Path) -> Result<String> {
    let output = Command::new(root.join("scripts/test-postgres.sh"))
        .current_dir(root)
        .output()
        .context("cannot run scripts/test-postgres.sh")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
