//! The lines that carry the guarantees: each is taken out in turn, and a test must fail.
//!
//! `xtask/carriers.toml` lists them. With `--check` only the list itself is looked at: that each line is there, once, and
//! that its test exists. Without, lines are taken out of the working tree, which must hold nothing that is not committed,
//! and put back.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::generated::build;
use crate::sources;

/// The list, from the workspace's folder.
const LIST: &str = "xtask/carriers.toml";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    carrier: Vec<Carrier>,
}

/// A line of code that carries a guarantee.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Carrier {
    /// What is guaranteed.
    promise: String,
    /// Where the line is.
    file: PathBuf,
    /// The line, or a part of it that is in the file once.
    line: String,
    /// What stands there when the guarantee is taken out.
    without: String,
    /// The target with the test: `lib`, or the name of an integration test.
    target: String,
    /// The test's name, or a part of it.
    test: String,
}

/// Takes out each line whose promise contains `only`, or with `check` looks at the list alone.
pub fn run(root: &Path, check: bool, only: &str) -> Result<Vec<String>> {
    let text = fs::read_to_string(root.join(LIST)).with_context(|| format!("cannot read {LIST}"))?;
    let list: List = toml::from_str(&text).with_context(|| format!("{LIST} cannot be read"))?;
    let mut findings = Vec::new();
    let tests = function_names(root)?;
    for carrier in &list.carrier {
        findings.extend(carrier.check(root, &tests)?);
    }
    if check || !findings.is_empty() {
        return Ok(findings);
    }
    let chosen: Vec<&Carrier> = list.carrier.iter().filter(|carrier| carrier.promise.contains(only)).collect();
    ensure!(!chosen.is_empty(), "no promise contains {only:?}");
    ensure!(git(root, &["status", "--porcelain"])?.is_empty(), "there are changes that are not committed");
    for carrier in chosen {
        let outcome = carrier.take_out(root);
        git(root, &["checkout", "--quiet", "--", &carrier.file.to_string_lossy()])?;
        match outcome? {
            Outcome::Red => println!("red without its line: {}", carrier.promise),
            Outcome::Green => findings.push(format!("{}: {} is green without its line", carrier.promise, carrier.test)),
            Outcome::Broken => findings.push(format!("{}: the code does not build without its line", carrier.promise)),
        }
    }
    Ok(findings)
}

/// What came of taking a line out.
enum Outcome {
    /// The test failed.
    Red,
    /// The test passed.
    Green,
    /// Nothing could be tested.
    Broken,
}

impl Carrier {
    fn check(&self, root: &Path, tests: &[String]) -> Result<Vec<String>> {
        let source = fs::read_to_string(root.join(&self.file))
            .with_context(|| format!("{LIST} names {}, which cannot be read", self.file.display()))?;
        let mut findings = Vec::new();
        let found = source.matches(&self.line).count();
        if found != 1 {
            findings.push(format!("{}: its line is {found} times in {}", self.promise, self.file.display()));
        }
        // A test may be named with the module that it is in.
        let name = self.test.rsplit("::").next().unwrap_or_default();
        if !tests.iter().any(|test| test.contains(name)) {
            findings.push(format!("{}: there is no test {}", self.promise, self.test));
        }
        Ok(findings)
    }

    /// Runs the test without the line. Whoever calls puts the line back.
    fn take_out(&self, root: &Path) -> Result<Outcome> {
        let path = root.join(&self.file);
        let source = fs::read_to_string(&path)?;
        fs::write(&path, source.replace(&self.line, &self.without))?;
        // A system test runs the programs themselves.
        let built = if self.target == "system" { build(root).is_ok() } else { self.cargo(root, &["--no-run"])?.0 };
        if !built {
            return Ok(Outcome::Broken);
        }
        let (passed, output) = self.cargo(root, &["--", &self.test])?;
        // No line of the summary may do: a target may have many programs, and most of them no such test.
        let ran = output.lines().any(|line| line.starts_with("test ") && line.contains(" ... "));
        ensure!(ran || !passed, "{} is no test of target {}", self.test, self.target);
        Ok(if passed { Outcome::Green } else { Outcome::Red })
    }

    /// Runs the target's tests with the features that everything is built with. Whether they passed, and the output.
    fn cargo(&self, root: &Path, arguments: &[&str]) -> Result<(bool, String)> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(["test", "--workspace", "--features", "wire-sim"]);
        if self.target == "lib" {
            command.arg("--lib")
        } else {
            command.args(["--test", &self.target])
        };
        let output = command.args(arguments).current_dir(root).output().context("cannot run cargo test")?;
        Ok((output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned()))
    }
}

/// The names of all functions, among them those of tests.
fn function_names(root: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for source in sources::all(root)? {
        let functions = source.text.lines().filter_map(|line| line.split_once("fn ").map(|(_, rest)| rest));
        names.extend(functions.filter_map(|rest| rest.split(['(', '<']).next()).map(str::to_owned));
    }
    Ok(names)
}

fn git(root: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new("git").args(arguments).current_dir(root).output().context("cannot run git")?;
    ensure!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}
