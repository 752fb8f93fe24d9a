//! The commands, one file each.

pub mod config;
pub mod openapi;
pub mod serve;
pub mod version;

use std::collections::BTreeMap;

use crate::{
    cli::Given,
    config::layers::{ConfigError, Layers},
};

/// The settings of this process: its command line, its environment, its file.
fn layers(given: &Given) -> Result<Layers, ConfigError> {
    let mut environment = BTreeMap::new();
    for (name, text) in std::env::vars_os() {
        let Ok(name) = name.into_string() else { continue };
        match text.into_string() {
            Ok(text) => drop(environment.insert(name, text)),
            // Passed over, it would be another folder, another database.
            Err(_) if name.starts_with("WAYPOST_") || name == "DATABASE_URL" => {
                return Err(ConfigError::NotText { name });
            }
            Err(_) => {}
        }
    }
    Layers::read(given.file.as_deref(), &environment, &given.flags)
}
