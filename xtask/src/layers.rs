//! Who may know whom.
//!
//! Three checks: the arrows between the crates of the workspace (normal, build and dev dependencies), the crates that
//! only some rooms may depend on, and the names that only some rooms may say in their source, since a re-export could
//! carry a name past the first two.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::sources;

/// One crate of the workspace and what it may know of the others.
struct Room {
    name: &'static str,
    /// The folder of its sources.
    folder: &'static str,
    /// Crates of ours that it may depend on.
    ours: &'static [&'static str],
    /// Crates of ours that its tests may depend on besides.
    ours_in_tests: &'static [&'static str],
}

/// The dependency table of ARCHITECTURE.md.
const ROOMS: [Room; 12] = [
    Room { name: "waypost-domain", folder: "crates/domain", ours: &[], ours_in_tests: &[] },
    Room { name: "waypost-store", folder: "crates/store", ours: &["waypost-domain"], ours_in_tests: &[] },
    Room { name: "waypost-engine", folder: "crates/engine", ours: &["waypost-domain"], ours_in_tests: &[] },
    Room {
        name: "waypost-engine-whatsapp",
        folder: "crates/engine-whatsapp",
        ours: &["waypost-domain", "waypost-engine", "waypost-store"],
        // Its tests link a session to the simulator.
        ours_in_tests: &["wa-sim"],
    },
    Room {
        name: "waypost-accounts",
        folder: "crates/accounts",
        ours: &["waypost-domain", "waypost-store"],
        ours_in_tests: &[],
    },
    Room {
        name: "waypost-gateway",
        folder: "crates/gateway",
        ours: &["waypost-domain", "waypost-store", "waypost-engine"],
        ours_in_tests: &[],
    },
    Room {
        name: "waypost-api",
        folder: "crates/api",
        ours: &["waypost-domain", "waypost-accounts", "waypost-gateway"],
        // Its tests put real use cases under the router, which are built from these.
        ours_in_tests: &["waypost-store", "waypost-engine"],
    },
    Room {
        name: "waypost-server",
        folder: "crates/server",
        ours: &[
            "waypost-domain",
            "waypost-store",
            "waypost-engine",
            "waypost-engine-whatsapp",
            "waypost-accounts",
            "waypost-gateway",
            "waypost-api",
        ],
        ours_in_tests: &[],
    },
    Room { name: "wa-sim", folder: "crates/wa-sim", ours: &[], ours_in_tests: &[] },
    // The system tests and the benchmarks know the binaries only.
    Room { name: "waypost-tests", folder: "tests", ours: &[], ours_in_tests: &[] },
    Room { name: "waypost-benches", folder: "benches", ours: &[], ours_in_tests: &[] },
    Room { name: "xtask", folder: "xtask", ours: &[], ours_in_tests: &[] },
];

/// Something that only some rooms may depend on and say.
struct Reserved {
    /// What it is, for the message.
    what: &'static str,
    /// The crates, as a manifest names them.
    crates: &'static [&'static str],
    /// The rooms that may.
    rooms: &'static [&'static str],
}

const RESERVED: [Reserved; 4] = [
    Reserved {
        what: "whatsapp-rust",
        crates: &["whatsapp-rust"],
        // The benchmarks measure the gateway beside a bare client.
        rooms: &["waypost-engine-whatsapp", "waypost-benches"],
    },
    Reserved {
        what: "WhatsApp's wire",
        crates: &["wacore", "wacore-binary", "wacore-noise", "wacore-libsignal", "wacore-appstate", "waproto"],
        rooms: &["waypost-engine-whatsapp", "wa-sim", "waypost-benches"],
    },
    Reserved {
        what: "SQL",
        crates: &["sqlx", "sea-orm", "sea-orm-migration"],
        // The system tests make a database each, and look into it.
        rooms: &["waypost-store", "waypost-tests"],
    },
    Reserved { what: "axum", crates: &["axum"], rooms: &["waypost-api", "waypost-server", "wa-sim"] },
];

/// What the crate of types and rules never needs: it does no I/O.
const NEVER_IN_DOMAIN: [&str; 4] = ["tokio", "hyper", "reqwest", "futures"];

/// Names every dependency and every line of source that breaks the table.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let mut findings = check_manifests(&metadata(root)?);
    for source in sources::all(root)? {
        findings.extend(check_source(&source));
    }
    Ok(findings)
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `dev` or `build`; absent for a normal one.
    kind: Option<String>,
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

fn check_manifests(metadata: &Metadata) -> Vec<String> {
    let rooms: BTreeMap<&str, &Room> = ROOMS.iter().map(|room| (room.name, room)).collect();
    let mut findings = Vec::new();
    for package in &metadata.packages {
        match rooms.get(package.name.as_str()) {
            Some(room) => findings.extend(package.dependencies.iter().filter_map(|it| check_arrow(room, it))),
            None => {
                findings.push(format!("{}: not in the table of rooms; say in xtask what it may know", package.name));
            }
        }
    }
    findings
}

fn check_arrow(room: &Room, dependency: &Dependency) -> Option<String> {
    let name = dependency.name.as_str();
    let is_dev = dependency.kind.as_deref() == Some("dev");
    if ROOMS.iter().any(|ours| ours.name == name) {
        let allowed = room.ours.contains(&name) || (is_dev && room.ours_in_tests.contains(&name));
        return (!allowed).then(|| format!("{} may not depend on {name}", room.name));
    }
    if room.name == "waypost-domain" && !is_dev && NEVER_IN_DOMAIN.contains(&name) {
        return Some(format!("{} does no I/O and may not depend on {name}", room.name));
    }
    let reserved = RESERVED.iter().find(|it| it.crates.contains(&name))?;
    let allowed = reserved.rooms.contains(&room.name);
    (!allowed).then(|| format!("{} may not depend on {name}: only {} may", room.name, reserved.rooms.join(" and ")))
}

fn check_source(source: &sources::Source) -> Vec<String> {
    // This crate says every name, in its tables and tests, and depends on none.
    if source.path.starts_with("xtask/") {
        return Vec::new();
    }
    let Some(room) = ROOMS.iter().find(|room| source.path.starts_with(&format!("{}/", room.folder))) else {
        return vec![format!("{}: outside every room", source.path)];
    };
    let mut findings = Vec::new();
    for reserved in RESERVED.iter().filter(|it| !it.rooms.contains(&room.name)) {
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

    fn findings_for(package: &str, dependency: &str, kind: Option<&str>) -> Vec<String> {
        let dependency = Dependency { name: dependency.to_owned(), kind: kind.map(str::to_owned) };
        check_manifests(&Metadata {
            packages: vec![Package { name: package.to_owned(), dependencies: vec![dependency] }],
        })
    }

    #[test]
    fn an_arrow_of_the_table_is_allowed() {
        assert!(findings_for("waypost-gateway", "waypost-store", None).is_empty());
        assert!(findings_for("waypost-store", "sqlx", None).is_empty());
    }

    #[test]
    fn any_other_arrow_is_named() {
        assert_eq!(
            findings_for("waypost-gateway", "waypost-api", None),
            ["waypost-gateway may not depend on waypost-api"]
        );
        assert_eq!(findings_for("waypost-engine", "waypost-store", Some("build")).len(), 1);
        assert_eq!(findings_for("waypost-gateway", "waypost-accounts", None).len(), 1);
        assert_eq!(findings_for("waypost-accounts", "waypost-gateway", Some("dev")).len(), 1);
        assert_eq!(findings_for("waypost-gateway", "whatsapp-rust", Some("dev")).len(), 1);
        assert_eq!(findings_for("waypost-domain", "tokio", None).len(), 1);
    }

    #[test]
    fn an_exception_for_tests_holds_for_tests_only() {
        assert!(findings_for("waypost-engine-whatsapp", "wa-sim", Some("dev")).is_empty());
        assert_eq!(findings_for("waypost-engine-whatsapp", "wa-sim", None).len(), 1);
    }

    #[test]
    fn a_crate_that_nobody_decided_about_is_named() {
        assert_eq!(findings_for("waypost-surprise", "serde", None).len(), 1);
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
        assert_eq!(check_source(&source), ["crates/surprise/src/lib.rs: outside every room"]);
    }

    #[test]
    fn a_source_may_say_what_its_room_may_know() {
        let source =
            |path: &str| sources::Source { path: path.to_owned(), text: "use whatsapp_rust::Client;".to_owned() };
        assert!(check_source(&source("crates/engine-whatsapp/src/lib.rs")).is_empty());
        assert_eq!(check_source(&source("crates/gateway/src/lib.rs")).len(), 1);
    }
}
