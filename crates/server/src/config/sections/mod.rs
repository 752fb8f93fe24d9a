//! Every setting, in sections: one struct and one file each.
//!
//! A field is a setting. Its name is the setting's name, its documentation the setting's meaning in `--help` and in
//! `waypost config`, its type says how it is written ([`super::forms`]), and its `default_value` stands here and
//! nowhere else: a default that a room of ours has is taken from that room. `value_name` names the kind of value,
//! `hide_env_values` makes a secret that is never shown, `env` adds a second name in the environment.
//!
//! A field of tables (`Vec` of a struct of its own) is marked with `hide`, `value_parser = clap::value_parser!(String)`
//! and `#[serde(default)]`: it stands in the file alone, since no flag and no variable holds tables.

#![expect(
    clippy::doc_markdown,
    clippy::struct_field_names,
    reason = "a field is named as its setting is, and its documentation is the help, which is plain text"
)]

mod accounts;
mod http;
mod keys;
mod limits;
mod log;
mod messages;
mod numbers;
mod pacing;
mod proxies;
mod sandbox;
mod sessions;
mod storage;
mod web;
mod whatsapp;

use clap::Args;
use serde::de::DeserializeOwned;

pub use self::{
    accounts::Accounts,
    http::Http,
    keys::{KeySource, Keys},
    limits::Limits,
    log::{Log, LogFormat},
    messages::Messages,
    numbers::Numbers,
    pacing::Pace,
    proxies::Proxies,
    sandbox::Sandbox,
    sessions::Sessions,
    storage::Storage,
    web::Web,
    whatsapp::Whatsapp,
};
use super::layers::{ConfigError, Layers};

/// Settings that belong together.
pub trait Section: Args + DeserializeOwned {
    /// Checks what no setting says alone.
    fn check(&self, _written: &Layers) -> Result<(), ConfigError> {
        Ok(())
    }
}

/// Everything an operator can set, read and checked.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// How the server listens.
    #[command(flatten)]
    pub http: Http,
    /// Where everything is kept.
    #[command(flatten)]
    pub storage: Storage,
    /// The server's own keys.
    #[command(flatten)]
    pub keys: Keys,
    /// Who comes in.
    #[command(flatten)]
    pub accounts: Accounts,
    /// How often somebody may ask.
    #[command(flatten)]
    pub limits: Limits,
    /// Whose word on a client's address is believed.
    #[command(flatten)]
    pub proxies: Proxies,
    /// What browsers get.
    #[command(flatten)]
    pub web: Web,
    /// How many sessions there are, and how they come back.
    #[command(flatten)]
    pub sessions: Sessions,
    /// How long a message is tried.
    #[command(flatten)]
    pub messages: Messages,
    /// How fast sessions send.
    #[command(flatten)]
    pub pacing: Pace,
    /// How numbers are looked up.
    #[command(flatten)]
    pub numbers: Numbers,
    /// How WhatsApp is reached.
    #[command(flatten)]
    pub whatsapp: Whatsapp,
    /// The pace of pretend phones.
    #[command(flatten)]
    pub sandbox: Sandbox,
    /// What is logged, and how.
    #[command(flatten)]
    pub log: Log,
}

impl Settings {
    /// Reads every section.
    pub fn read(written: &Layers) -> Result<Self, ConfigError> {
        Ok(Self {
            http: written.section()?,
            storage: written.section()?,
            keys: written.section()?,
            accounts: written.section()?,
            limits: written.section()?,
            proxies: written.section()?,
            web: written.section()?,
            sessions: written.section()?,
            messages: written.section()?,
            pacing: written.section()?,
            numbers: written.section()?,
            whatsapp: written.section()?,
            sandbox: written.section()?,
            log: written.section()?,
        })
    }
}
