//! The command line: the commands, and a flag for every setting.

use std::{collections::BTreeMap, path::PathBuf};

use clap::{Arg, ArgMatches, Command, value_parser};

use crate::config::settings::{SETTINGS, Setting};

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    /// Run the server.
    Serve(Given),
    /// Show the configuration.
    Config(Given),
    /// Print the API's document.
    Openapi,
    /// Say which version this is.
    Version,
}

/// The settings on the command line. Shows no value: it may be a secret.
#[derive(Default, PartialEq, Eq)]
pub struct Given {
    /// The configuration file.
    pub file: Option<PathBuf>,
    /// The flags, by the settings' keys.
    pub flags: BTreeMap<&'static str, String>,
}

impl std::fmt::Debug for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let flags: Vec<&&str> = self.flags.keys().collect();
        f.debug_struct("Given").field("file", &self.file).field("flags", &flags).finish()
    }
}

/// The whole command line.
pub fn command() -> Command {
    Command::new("waypost")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A self-hosted, multi-tenant Messages API for WhatsApp")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(with_settings(Command::new("serve").about("Runs the server")))
        .subcommand(with_settings(
            Command::new("config").about("Shows every setting: its names, its default, its meaning and its value now"),
        ))
        .subcommand(Command::new("openapi").about("Prints the API's OpenAPI document"))
        .subcommand(
            Command::new("version").about("Says which version this is, under which licence, and where its source is"),
        )
}

fn with_settings(command: Command) -> Command {
    let file = Arg::new("config")
        .long("config")
        .env("WAYPOST_CONFIG")
        .value_name("PATH")
        .value_parser(value_parser!(PathBuf))
        .help("TOML file with settings");
    command.arg(file).args(on_the_command_line().map(flag))
}

/// The settings that have a flag.
fn on_the_command_line() -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().filter(|setting| !setting.tables)
}

fn flag(setting: &'static Setting) -> Arg {
    let default = if setting.default.is_empty() { String::new() } else { format!("; default {}", setting.default) };
    let warning = if setting.secret { ". Better not here: other users see the command line" } else { "" };
    Arg::new(setting.key.as_str())
        .long(setting.flag())
        .value_name(setting.value.as_str())
        .allow_hyphen_values(true)
        .help(format!("{}{warning} [{}{default}]", setting.meaning, setting.env_name()))
}

/// What `matches` asks for.
pub fn asked(matches: &ArgMatches) -> Asked {
    match matches.subcommand() {
        Some(("serve", matches)) => Asked::Serve(given(matches)),
        Some(("config", matches)) => Asked::Config(given(matches)),
        Some(("openapi", _)) => Asked::Openapi,
        _ => Asked::Version,
    }
}

fn given(matches: &ArgMatches) -> Given {
    let flag = |setting: &'static Setting| {
        let key = setting.key.as_str();
        Some((key, matches.get_one::<String>(key)?.clone()))
    };
    Given { file: matches.get_one("config").cloned(), flags: on_the_command_line().filter_map(flag).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Asked, clap::Error> {
        command().try_get_matches_from(line.split(' ')).map(|matches| asked(&matches))
    }

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_setting_is_a_flag() {
        let Asked::Serve(given) = parse("waypost serve --listen 127.0.0.1:1 --config x.toml").unwrap() else {
            panic!("serve was asked for");
        };
        assert_eq!(given.flags, BTreeMap::from([("listen", "127.0.0.1:1".to_owned())]));
        assert_eq!(given.file, Some(PathBuf::from("x.toml")));
        for setting in on_the_command_line() {
            assert!(parse(&format!("waypost config --{} x", setting.flag())).is_ok(), "{}", setting.key);
        }
    }

    #[test]
    fn an_unknown_flag_is_refused_with_the_one_that_was_meant() {
        let refusal = parse("waypost serve --lisen 127.0.0.1:1").unwrap_err().to_string();
        assert!(refusal.contains("--listen"), "{refusal}");
    }
}
