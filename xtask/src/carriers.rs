//! The lines that carry the guarantees: each is taken out in turn, and a test must fail.
//!
//! `xtask/carriers.toml` lists them. With `--check` only the list itself is looked at: that each line is there, once, and
//! that its test exists. Without, the last commit is checked out into a folder of its own below the build's, and the
//! lines are taken out there: whoever works in this one is not disturbed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::generated::target_folder;
use crate::proofs::{POSTGRES, postgres};
use crate::sources;

/// The list, from the workspace's folder.
const LIST: &str = "xtask/carriers.toml";

/// The features that everything is built with: with others, cargo builds most crates again.
const WORKSPACE: [&str; 3] = ["--workspace", "--features", "wire-sim"];

/// What the system tests take from npm and PyPI, from the workspace's folder.
const PACKAGES: [&str; 3] = ["tests/baileys/node_modules", "tests/browser/node_modules", "tests/schemathesis/.venv"];

// The test runner's exit codes (`nextest_metadata::NextestExitCode`).
const TESTS_FAILED: i32 = 100;
const NO_TESTS: i32 = 4;

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
    /// The target with the test: `lib`, `bins`, or the name of an integration test.
    target: String,
    /// The test's name, or a part of it.
    test: String,
}

/// Takes out each line, or where there is an `only`, each whose promise contains one of those. With `check` looks at the
/// list alone.
pub fn run(root: &Path, check: bool, only: &[String]) -> Result<Vec<String>> {
    if check {
        return check_list(root, &read_list(root)?);
    }
    let tree = Tree::of_the_last_commit(root)?;
    let list = read_list(&tree.path)?;
    let mut findings = check_list(&tree.path, &list)?;
    if !findings.is_empty() {
        return Ok(findings);
    }
    let wanted = |carrier: &&Carrier| only.is_empty() || only.iter().any(|text| carrier.promise.contains(text));
    let chosen: Vec<&Carrier> = list.iter().filter(wanted).collect();
    ensure!(!chosen.is_empty(), "no promise contains {only:?}");
    // A test that fails anyway would show nothing.
    tree.see_all_pass(&chosen)?;
    for carrier in &chosen {
        let problem = match tree.test_without(carrier)? {
            Outcome::Red => None,
            Outcome::Green => Some(format!("{} passes without its line", carrier.test)),
            Outcome::NoTest => Some(format!("{} is no test of target {}", carrier.test, carrier.target)),
            Outcome::Broken(why) => Some(format!("it does not build without its line\n{why}")),
        };
        println!("{}: {}", carrier.promise, problem.as_deref().unwrap_or("red without its line"));
        findings.extend(problem.map(|problem| format!("{}: {problem}", carrier.promise)));
    }
    println!("{} of {} red without their line", chosen.len() - findings.len(), chosen.len());
    Ok(findings)
}

fn read_list(root: &Path) -> Result<Vec<Carrier>> {
    let text = fs::read_to_string(root.join(LIST)).with_context(|| format!("cannot read {LIST}"))?;
    let list: List = toml::from_str(&text).with_context(|| format!("{LIST} cannot be read"))?;
    Ok(list.carrier)
}

fn check_list(root: &Path, list: &[Carrier]) -> Result<Vec<String>> {
    let tests = function_names(root)?;
    let mut findings = Vec::new();
    for carrier in list {
        findings.extend(carrier.check(root, &tests)?);
    }
    Ok(findings)
}

/// What came of taking a line out.
enum Outcome {
    /// The test failed.
    Red,
    /// The test passed.
    Green,
    /// There is no such test.
    NoTest,
    /// Nothing could be tested: the end of what the compiler said.
    Broken(String),
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
}

/// The checkout that lines are taken out of. It stays where it is from run to run, so that little is built again. It has
/// a target folder of its own: cargo does not tell two checkouts of a crate apart, and would take what was built without
/// a line for what the working tree holds.
struct Tree {
    path: PathBuf,
    target: PathBuf,
    postgres: String,
}

impl Tree {
    fn of_the_last_commit(root: &Path) -> Result<Self> {
        let path = target_folder()?.parent().context("builds lie in a folder")?.join("carriers");
        let commit = git(root, &["rev-parse", "HEAD"])?;
        if path.join(".git").exists() {
            // By force: a run that was interrupted left a line out.
            git(&path, &["checkout", "--quiet", "--force", "--detach", commit.trim()])?;
            // Property tests write down what they failed on, and would fail on it again.
            git(&path, &["clean", "--quiet", "--force", "-d"])?;
        } else {
            // The folder goes whenever somebody cleans the build.
            git(root, &["worktree", "prune"])?;
            git(root, &["worktree", "add", "--quiet", "--detach", &path.to_string_lossy(), commit.trim()])?;
        }
        for packages in PACKAGES {
            let (from, to) = (root.join(packages), path.join(packages));
            if from.exists() && !to.exists() {
                std::os::unix::fs::symlink(from, to).with_context(|| format!("cannot link {packages}"))?;
            }
        }
        let target = path.join("target");
        Ok(Self { path, target, postgres: postgres(root)? })
    }

    fn see_all_pass(&self, carriers: &[&Carrier]) -> Result<()> {
        let mut targets: Vec<&str> = carriers.iter().map(|carrier| carrier.target.as_str()).collect();
        targets.sort_unstable();
        targets.dedup();
        for target in targets {
            if let Err(why) = self.build(target)? {
                bail!("the last commit does not build\n{why}");
            }
            let settled = self.command(&self.path.join("scripts/settle-build.sh")).status();
            ensure!(settled.context("cannot run settle-build.sh")?.success(), "settle-build.sh failed");
            let of_it = carriers.iter().filter(|carrier| carrier.target == target);
            let tests: Vec<&str> = of_it.map(|carrier| carrier.test.as_str()).collect();
            let (code, output) = self.run(target, &tests)?;
            ensure!(code == 0, "with every line in its place not all tests of {target} pass\n{output}");
        }
        Ok(())
    }

    fn test_without(&self, carrier: &Carrier) -> Result<Outcome> {
        let path = self.path.join(&carrier.file);
        let source = fs::read_to_string(&path)?;
        fs::write(&path, source.replace(&carrier.line, &carrier.without))?;
        let outcome = self.outcome(carrier);
        fs::write(&path, source)?;
        outcome
    }

    fn outcome(&self, carrier: &Carrier) -> Result<Outcome> {
        // Apart from the run, so that what does not compile is never taken for a test that fails.
        if let Err(why) = self.build(&carrier.target)? {
            return Ok(Outcome::Broken(why));
        }
        Ok(match self.run(&carrier.target, &[&carrier.test])? {
            (0, _) => Outcome::Green,
            (TESTS_FAILED, _) => Outcome::Red,
            (NO_TESTS, _) => Outcome::NoTest,
            (code, output) => bail!("the test runner ended with {code}\n{output}"),
        })
    }

    /// Builds the tests of a target. The inner error is the compiler's.
    fn build(&self, target: &str) -> Result<Result<(), String>> {
        let mut kinds = vec![vec!["test", "--no-run"]];
        // A system test runs the programs themselves.
        if target == "system" {
            kinds.insert(0, vec!["build", "--bins"]);
        }
        for kind in kinds {
            let mut command = self.command(Path::new(&cargo()));
            command.args(&kind).arg("--quiet").args(WORKSPACE);
            if kind[0] == "test" {
                command.args(selection(target));
            }
            let output = command.output().context("cannot run cargo")?;
            if !output.status.success() {
                return Ok(Err(end_of(&output.stderr)));
            }
        }
        Ok(Ok(()))
    }

    /// Runs those tests of a target whose names contain one of `tests`: the runner's exit code and the end of its words.
    fn run(&self, target: &str, tests: &[&str]) -> Result<(i32, String)> {
        let mut command = self.command(Path::new(&cargo()));
        command.args(["nextest", "run"]).args(WORKSPACE).args(selection(target)).args(tests);
        let output = command.env(POSTGRES, &self.postgres).output().context("cannot run cargo nextest")?;
        let code = output.status.code().context("cargo nextest was killed")?;
        Ok((code, end_of(&output.stderr)))
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.path).env("CARGO_TARGET_DIR", &self.target);
        command
    }
}

fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Cargo's arguments for a carrier's target.
fn selection(target: &str) -> Vec<&str> {
    match target {
        "lib" => vec!["--lib"],
        "bins" => vec!["--bins"],
        test => vec!["--test", test],
    }
}

/// The last lines: where compilers and test runners say what was wrong.
fn end_of(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
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
