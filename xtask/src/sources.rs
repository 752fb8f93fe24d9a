//! The workspace's own Rust sources.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Folders that hold no source of ours: build outputs and other people's packages.
const SKIPPED: [&str; 4] = ["target", "node_modules", ".git", "data"];

/// One `.rs` file.
pub struct Source {
    /// Its path from the workspace's root, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// Every `.rs` file below `root`, by path.
pub fn all(root: &Path) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if entry.file_type()?.is_dir() {
                if !SKIPPED.contains(&name.as_ref()) && !name.starts_with("target-") {
                    folders.push(entry.path());
                }
            } else if name.ends_with(".rs") {
                sources.push(read(root, &entry.path())?);
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(sources)
}

fn read(root: &Path, path: &Path) -> Result<Source> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let relative = path.strip_prefix(root).unwrap_or(path);
    Ok(Source { path: relative.to_string_lossy().replace('\\', "/"), text })
}
