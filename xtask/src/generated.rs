//! Files that are written from the code and checked in, so that a change of the public surface shows in the diff.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The API's description, for client generators and for the dashboard.
const OPENAPI: &str = "docs/openapi.json";

/// Writes the generated files, or with `check` names those that are stale.
pub fn run(root: &Path, check: bool) -> Result<Vec<String>> {
    let path = root.join(OPENAPI);
    let wanted = openapi(root)?;
    if check {
        let found = fs::read_to_string(&path).unwrap_or_default();
        return Ok(if found == wanted {
            Vec::new()
        } else {
            vec![format!("{OPENAPI} is not what the code says; run `cargo xtask gen` and commit it")]
        });
    }
    fs::write(&path, wanted).with_context(|| format!("cannot write {OPENAPI}"))?;
    Ok(Vec::new())
}

/// What the server says of its own API.
fn openapi(root: &Path) -> Result<String> {
    build(root)?;
    let server = target_folder()?.join("waypost");
    let output = Command::new(&server)
        .arg("openapi")
        .current_dir(root)
        .output()
        .with_context(|| format!("cannot run {}", server.display()))?;
    if !output.status.success() {
        bail!("waypost openapi failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    String::from_utf8(output.stdout).context("waypost openapi printed something else than text")
}

/// Builds everything as `make test` does, so that nothing is built twice.
pub fn build(root: &Path) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--workspace", "--all-targets", "--features", "wire-sim"])
        .current_dir(root)
        .status()
        .context("cannot run cargo build")?;
    if !built.success() {
        bail!("the workspace does not build");
    }
    Ok(())
}

/// The folder of the built binaries: this one's own, since it is built with the same profile.
pub fn target_folder() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find the folder of the built binaries")?;
    own.parent().map(Path::to_owned).context("a binary lies in a folder")
}
