//! The server's own keys.

use std::path::PathBuf;

use clap::Args;
use secrecy::SecretString;
use serde::Deserialize;

use super::Section;
use crate::config::{
    forms::{As, Form, Plain},
    layers::{ConfigError, Layers},
    values,
};

/// The server's own keys.
#[derive(Debug, Clone, Args, Deserialize)]
pub struct Keys {
    /// Key that encrypts secrets at rest, 32 bytes in base64 or hex; unset: kept in a file.
    #[arg(long, value_name = "KEY", hide_env_values = true)]
    pub master_key: Option<As<Key>>,
    /// File with the master key; unset: master.key in the data folder, made at first.
    #[arg(long, value_name = "PATH")]
    pub master_key_file: Option<As<Plain<PathBuf>>>,
    /// Key that signs access tokens, 32 bytes in base64 or hex; unset: kept in a file.
    #[arg(long, value_name = "KEY", hide_env_values = true)]
    pub token_key: Option<As<Key>>,
    /// File with the token key; unset: token.key in the data folder, made at first.
    #[arg(long, value_name = "PATH")]
    pub token_key_file: Option<As<Plain<PathBuf>>>,
}

impl Keys {
    /// The key that encrypts secrets at rest.
    pub fn master(&self) -> KeySource {
        KeySource::new(self.master_key.as_ref(), self.master_key_file.as_ref())
    }

    /// The key that signs access tokens.
    pub fn token(&self) -> KeySource {
        KeySource::new(self.token_key.as_ref(), self.token_key_file.as_ref())
    }
}

impl Section for Keys {
    fn check(&self, written: &Layers) -> Result<(), ConfigError> {
        let keys = [("master_key", "master_key_file", self.master()), ("token_key", "token_key_file", self.token())];
        for (key, file, source) in keys {
            if source.given.is_some() && source.file.is_some() {
                let from = written.source(key);
                let why = format!("and {key} (from {from}) say the same thing twice: set one of them");
                return Err(written.invalid(file, &why));
            }
        }
        Ok(())
    }
}

/// Where a key comes from: given as it is, or in a file; else it is kept in the data folder.
#[derive(Debug, Clone)]
pub struct KeySource {
    /// The key itself.
    pub given: Option<SecretString>,
    /// A file with the key.
    pub file: Option<PathBuf>,
}

impl KeySource {
    fn new(given: Option<&As<Key>>, file: Option<&As<Plain<PathBuf>>>) -> Self {
        Self { given: given.map(|key| key.0.clone()), file: file.map(|path| path.0.clone()) }
    }
}

/// A key: 32 bytes in base64 or hex.
pub struct Key;

impl Form for Key {
    type Value = SecretString;

    fn read(text: &str) -> Result<SecretString, String> {
        values::key(text).map(|_| SecretString::from(text))
    }
}
