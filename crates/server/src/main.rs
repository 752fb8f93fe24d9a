//! The binary `waypost`: configuration, wiring, lifecycle, telemetry, command line.

mod cli;
mod commands;
mod config;
mod data_dir;
mod http;
mod keys;
mod sandbox_mailbox;
mod telemetry;
mod wire;

use std::process::ExitCode;

use cli::Asked;

fn main() -> ExitCode {
    let done = match cli::asked(&cli::command().get_matches()) {
        Asked::Serve(given) => commands::serve::run(&given),
        Asked::Config(given) => commands::config::run(&given, std::io::stdout()),
        Asked::Openapi => commands::openapi::run(std::io::stdout()),
        Asked::Version => commands::version::run(std::io::stdout()).map_err(Into::into),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("waypost: {error:#}");
            ExitCode::FAILURE
        }
    }
}
