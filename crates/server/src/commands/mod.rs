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
    let environment: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, text)| Some((name.into_string().ok()?, text.into_string().ok()?)))
        .collect();
    Layers::read(given.file.as_deref(), &environment, &given.flags)
}
