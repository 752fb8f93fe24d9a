//! Checks that CI runs, and the files that are generated from the code.
//!
//! `cargo xtask layers` · `cargo xtask sizes` · `cargo xtask gen [--check]` · `cargo xtask carriers [--check]` ·
//! `cargo xtask chaos [--kills N] …` · `cargo xtask siege …`

mod carriers;
mod generated;
mod layers;
mod proofs;
mod rooms;
mod sizes;
mod sources;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Waypost's own checks and generators.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Checks who knows whom: the dependency table of ARCHITECTURE.md, and the names that only one room may say.
    Layers,
    /// Checks how long the source files are.
    Sizes,
    /// Writes the generated files: `docs/openapi.json`.
    Gen {
        /// Write nothing; fail where a file is not what the code says.
        #[arg(long)]
        check: bool,
    },
    /// Takes out each line that carries a guarantee, and sees its test fail, in a checkout of the last
    /// commit below the build folder.
    Carriers {
        /// Only look whether the list, `xtask/carriers.toml`, is right.
        #[arg(long)]
        check: bool,
        /// Only those whose promise holds this text; may be given more than once.
        #[arg(long)]
        only: Vec<String>,
    },
    /// Kills the server again and again under load and checks every promise afterwards. `cargo xtask chaos --help` lists
    /// the options.
    #[command(disable_help_flag = true)]
    Chaos {
        /// Given to `waypost-chaos`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Floods the server from one address and measures how long another one waits. `cargo xtask siege --help` lists the
    /// options.
    #[command(disable_help_flag = true)]
    Siege {
        /// Given to `waypost-siege`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    let root = workspace_root();
    let outcome = match Cli::parse().task {
        Task::Layers => layers::check(&root),
        Task::Sizes => sizes::check(&root),
        Task::Gen { check } => generated::run(&root, check),
        Task::Carriers { check, only } => carriers::run(&root, check, &only),
        Task::Chaos { arguments } => proofs::run(&root, "waypost-chaos", &arguments),
        Task::Siege { arguments } => proofs::run(&root, "waypost-siege", &arguments),
    };
    match outcome {
        Ok(findings) if findings.is_empty() => ExitCode::SUCCESS,
        Ok(findings) => {
            for finding in findings {
                eprintln!("error: {finding}");
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of the workspace's `Cargo.toml`.
fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the manifest's folder, xtask/, lies in the workspace's")
        .to_owned()
}
