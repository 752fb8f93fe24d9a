//! Runs the long proofs, `waypost-chaos` and `waypost-siege`, on a release built just now: a debug build cannot keep up
//! with the load.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::generated::target_folder;

/// The database server of the tests, when the run wants PostgreSQL.
pub const POSTGRES: &str = "WAYPOST_TEST_POSTGRES";

/// What takes part in a run, and the feature by which the server talks to simulators.
const BUILD: [&str; 8] = [
    "build",
    "--release",
    "--package=waypost-server",
    "--package=wa-sim",
    "--package=waypost-tests",
    "--bins",
    "--features=waypost-server/wire-sim,waypost-tests/wire-sim",
    "--quiet",
];

/// Builds the release and runs `program` of it with `arguments`.
pub fn run(root: &Path, program: &str, arguments: &[String]) -> Result<Vec<String>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo).args(BUILD).current_dir(root).status().context("cannot run cargo build")?;
    if !built.success() {
        bail!("the release does not build");
    }
    // Beside the folder of this program, which is a debug build.
    let mut proof = Command::new(target_folder()?.join("../release").join(program));
    proof.args(arguments).current_dir(root);
    if arguments.iter().any(|argument| argument.contains("postgres")) {
        proof.env(POSTGRES, postgres(root)?);
    }
    let ended = proof.status().with_context(|| format!("cannot run {program}"))?;
    Ok(if ended.success() { Vec::new() } else { vec![format!("{program} ended with {ended}")] })
}

/// The URL of a PostgreSQL to make a database on.
pub fn postgres(root: &Path) -> Result<String> {
    let output = Command::new(root.join("scripts/test-postgres.sh"))
        .current_dir(root)
        .output()
        .context("cannot run scripts/test-postgres.sh")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
