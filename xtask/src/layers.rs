//! Who may know whom.
//!
//! Three checks: the arrows between the crates of the workspace (normal, build and dev dependencies) against the table of
//! ARCHITECTURE.md, the crates that
//! only some rooms may depend on, and the names that only some rooms may say in their source, since a re-export could
//! carry a name past the first two.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::{
    rooms::{self, PAGE, Room},
    sources,
};

/// Something that only some rooms may depend on and say.
struct Reserved {
    /// What it is, for the message.
    what: &'static str,
    /// The crates, as a manifest names them.
    crates: &'static [&'static str],
    /// The rooms that may.
    rooms: &'static [&'static str],
}

impl Reserved {
    fn is_for(&self, room: &Room) -> bool {
        self.rooms.contains(&room.name())
    }
}

const RESERVED: [Reserved; 4] = [
    Reserved {
        what: "whatsapp-rust",
        crates: &["whatsapp-rust"],
        // The benchmarks measure the gateway beside a bare client.
        rooms: &["engine-whatsapp", "benches"],
    },
    Reserved {
        what: "WhatsApp's wire",
        crates: &["wacore", "wacore-binary", "wacore-noise", "wacore-libsignal", "wacore-appstate", "waproto"],
        rooms: &["engine-whatsapp", "wa-sim", "benches"],
    },
    Reserved {
        what: "SQL",
        crates: &["sqlx", "sea-orm", "sea-orm-migration"],
        // The system tests make a database each, and look into it.
        rooms: &["store", "tests"],
    },
    Reserved { what: "axum", crates: &["axum"], rooms: &["api", "server", "wa-sim"] },
];

/// What the crate of types and rules never needs: it does no I/O.
const NEVER_IN_DOMAIN: [&str; 4] = ["tokio", "hyper", "reqwest", "futures"];

/// Names every dependency and every line of source that breaks the table.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let rooms = rooms::read(root)?;
    let mut findings = check_manifests(&rooms, &metadata(root)?);
    findings.extend(rooms::check_paths(root)?);
    for source in sources::all(root)? {
        findings.extend(check_source(&rooms, &source));
    }
    Ok(findings)
}

#[derive(Deserialize)]
struct Metadata {
    workspace_root: String,
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `dev` or `build`; absent for a normal one.
    kind: Option<String>,
}

impl Metadata {
    /// The folder of a package, from the workspace's root.
    fn folder<'a>(&self, package: &'a Package) -> &'a str {
        let folder = package.manifest_path.strip_suffix("/Cargo.toml").unwrap_or(&package.manifest_path);
        folder.strip_prefix(&self.workspace_root).unwrap_or(folder).trim_start_matches('/')
    }

    /// The room of a package of the workspace.
    fn room<'a>(&self, rooms: &'a [Room], package: &Package) -> Option<&'a Room> {
        rooms.iter().find(|room| room.folder == self.folder(package))
    }

    fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }
}

fn metadata(root: &Path) -> Result<Metadata> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root)
        .output()
        .context("cannot run cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    serde_json::from_slice(&output.stdout).context("cargo metadata printed something else than its JSON")
}

fn check_manifests(rooms: &[Room], metadata: &Metadata) -> Vec<String> {
    let mut findings = Vec::new();
    for package in &metadata.packages {
        match metadata.room(rooms, package) {
            Some(room) => {
                let arrows = package.dependencies.iter();
                findings.extend(arrows.filter_map(|it| check_arrow(rooms, metadata, room, package, it)));
            }
            None => findings.push(format!("{}: not in the table of {PAGE}; say there what it may use", package.name)),
        }
    }
    let is_there = |room: &&Room| metadata.packages.iter().any(|package| metadata.folder(package) == room.folder);
    for room in rooms.iter().filter(|room| !is_there(room)) {
        findings.push(format!("{PAGE}: {} is no crate of the workspace", room.folder));
    }
    findings
}

fn check_arrow(
    rooms: &[Room],
    metadata: &Metadata,
    room: &Room,
    package: &Package,
    dependency: &Dependency,
) -> Option<String> {
    let name = dependency.name.as_str();
    let is_dev = dependency.kind.as_deref() == Some("dev");
    if let Some(used) = metadata.package(name) {
        let used = metadata.room(rooms, used).map_or(name, Room::name);
        let is_named = |names: &[String]| names.iter().any(|it| it == used);
        let allowed = is_named(&room.ours) || (is_dev && is_named(&room.ours_in_tests));
        return (!allowed)
            .then(|| format!("{} may not depend on {name}: the table of {PAGE} has no such arrow", package.name));
    }
    if room.name() == "domain" && !is_dev && NEVER_IN_DOMAIN.contains(&name) {
        return Some(format!("{} does no I/O and may not depend on {name}", package.name));
    }
    let reserved = RESERVED.iter().find(|it| it.crates.contains(&name))?;
    let allowed = reserved.is_for(room);
    (!allowed).then(|| format!("{} may not depend on {name}: only {} may", package.name, reserved.rooms.join(" and ")))
}

fn check_source(rooms: &[Room], source: &sources::Source) -> Vec<String> {
    // This crate says every name, in its tables and tests, and depends on none.
    if source.path.starts_with("xtask/") {
        return Vec::new();
    }
    let Some(room) = rooms.iter().find(|room| source.path.starts_with(&format!("{}/", room.folder))) else {
        return vec![format!("{}: outside every room", source.path)];
    };
    let mut findings = Vec::new();
    for reserved in RESERVED.iter().filter(|it| !it.is_for(room)) {
        for name in reserved.crates {
            let name = name.replace('-', "_");
            for (number, line) in source.text.lines().enumerate().filter(|(_, line)| says(line, &name)) {
                findings.push(format!(
                    "{}:{}: only {} may know {}: {}",
                    source.path,
                    number + 1,
                    reserved.rooms.join(" and "),
                    reserved.what,
                    line.trim()
                ));
            }
        }
    }
    findings
}

/// Whether a line of code uses a path through the crate `name`: `name::…`, or `use name`. Comments and texts may speak
/// of it.
fn says(line: &str, name: &str) -> bool {
    let code = code_of(line);
    let is_part_of_a_name = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(name).any(|(at, _)| {
        let before = &code[..at];
        let after = &code[at + name.len()..];
        let whole = !before.ends_with(is_part_of_a_name) && !after.starts_with(is_part_of_a_name);
        whole && (after.trim_start().starts_with("::") || before.trim_end().ends_with("use") || before.ends_with("::"))
    })
}

/// A line without its comment and without what stands in its string literals.
fn code_of(line: &str) -> String {
    let mut code = String::with_capacity(line.len());
    let mut in_text = false;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if in_text => {
                letters.next();
            }
            '"' => in_text = !in_text,
            '/' if !in_text && letters.peek() == Some(&'/') => break,
            _ if in_text => {}
            _ => code.push(letter),
        }
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table as it stands in the document.
    fn table() -> Vec<Room> {
        rooms::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap()
    }

    fn package(name: &str, folder: &str) -> Package {
        Package { name: name.to_owned(), manifest_path: format!("/w/{folder}/Cargo.toml"), dependencies: Vec::new() }
    }

    /// What is found if a package has one dependency more.
    fn findings_for(name: &str, dependency: &str, kind: Option<&str>) -> Vec<String> {
        let mut packages: Vec<_> =
            table().iter().map(|room| package(&format!("waypost-{}", room.name()), &room.folder)).collect();
        packages.push(package("waypost-surprise", "crates/surprise"));
        let dependency = Dependency { name: dependency.to_owned(), kind: kind.map(str::to_owned) };
        packages.iter_mut().find(|package| package.name == name).unwrap().dependencies.push(dependency);
        let findings = check_manifests(&table(), &Metadata { workspace_root: "/w".to_owned(), packages });
        findings.into_iter().filter(|finding| !finding.contains("waypost-surprise: not in")).collect()
    }

    #[test]
    fn an_arrow_of_the_table_is_allowed() {
        assert!(findings_for("waypost-gateway", "waypost-store", None).is_empty());
        assert!(findings_for("waypost-store", "sqlx", None).is_empty());
    }

    #[test]
    fn any_other_arrow_is_named() {
        let findings = findings_for("waypost-gateway", "waypost-api", None);
        assert!(findings[0].starts_with("waypost-gateway may not depend on waypost-api"), "{findings:?}");
        assert_eq!(findings_for("waypost-engine", "waypost-store", Some("build")).len(), 1);
        assert_eq!(findings_for("waypost-gateway", "waypost-accounts", None).len(), 1);
        assert_eq!(findings_for("waypost-accounts", "waypost-gateway", Some("dev")).len(), 1);
        assert_eq!(findings_for("waypost-gateway", "whatsapp-rust", Some("dev")).len(), 1);
        assert_eq!(findings_for("waypost-domain", "tokio", None).len(), 1);
    }

    #[test]
    fn an_exception_for_tests_holds_for_tests_only() {
        assert!(findings_for("waypost-engine-whatsapp", "waypost-wa-sim", Some("dev")).is_empty());
        assert_eq!(findings_for("waypost-engine-whatsapp", "waypost-wa-sim", None).len(), 1);
        assert_eq!(findings_for("waypost-engine-whatsapp", "sqlx", Some("dev")).len(), 1);
    }

    #[test]
    fn a_crate_that_is_not_in_the_table_is_named_and_so_is_a_row_without_a_crate() {
        let packages = vec![package("waypost-surprise", "crates/surprise")];
        let findings = check_manifests(&table(), &Metadata { workspace_root: "/w".to_owned(), packages });
        assert!(findings.iter().any(|finding| finding.starts_with("waypost-surprise: not in the table")));
        assert!(findings.contains(&"ARCHITECTURE.md: crates/domain is no crate of the workspace".to_owned()));
    }

    #[test]
    fn a_name_is_found_in_code_and_not_in_prose() {
        for line in ["use sqlx::Row;", "    sqlx::query(sql)", "use sqlx;", "waypost_store::sqlx::query(sql)"] {
            assert!(says(line, "sqlx"), "{line}");
        }
        for line in
            ["// sqlx::query", "let my_sqlx = 1;", "sqlx_like::query()", "let sqlx = 2;", r#"target: "sqlx::query""#]
        {
            assert!(!says(line, "sqlx"), "{line}");
        }
    }

    #[test]
    fn a_source_outside_every_room_is_named() {
        let source = sources::Source { path: "crates/surprise/src/lib.rs".to_owned(), text: String::new() };
        assert_eq!(check_source(&table(), &source), ["crates/surprise/src/lib.rs: outside every room"]);
    }

    #[test]
    fn a_source_may_say_what_its_room_may_know() {
        let source =
            |path: &str| sources::Source { path: path.to_owned(), text: "use whatsapp_rust::Client;".to_owned() };
        assert!(check_source(&table(), &source("crates/engine-whatsapp/src/lib.rs")).is_empty());
        assert_eq!(check_source(&table(), &source("crates/gateway/src/lib.rs")).len(), 1);
    }
}
