//! Where everything is kept.

use std::path::PathBuf;

use clap::Args;
use serde::Deserialize;
use waypost_gateway::GatewayConfig;
use waypost_store::DatabaseUrl;

use super::Section;
use crate::config::{
    forms::{As, Number, OneOf, Plain, Size},
    layers::{ConfigError, Layers},
    values::write_size,
};

/// Where everything is kept.
#[derive(Debug, Clone, Args, Deserialize)]
pub struct Storage {
    /// Folder for the database, the keys and the lock file.
    #[arg(long, value_name = "PATH", default_value = "./data")]
    pub data_dir: As<Plain<PathBuf>>,
    /// sqlite://PATH or postgres://…; unset: waypost.db in the data folder.
    #[arg(long, value_name = "URL", hide_env_values = true, env = "DATABASE_URL")]
    pub database_url: Option<As<Plain<DatabaseUrl>>>,
    /// Refuse a PostgreSQL server on another machine whose certificate is not verified (sslmode=verify-full).
    #[arg(long, value_name = "BOOLEAN", default_value = "false")]
    pub database_require_verified_tls: As<OneOf<bool>>,
    /// Connections for reading (SQLite) or in all (PostgreSQL; fewer than 4 count as 4).
    #[arg(long, value_name = "NUMBER", default_value = "8")]
    pub database_max_connections: As<Number<u32, 1, 1_000>>,
    /// Free space below which no message is accepted and the server is not ready; 0MiB to not look.
    #[arg(long, value_name = "SIZE", default_value = write_size(GatewayConfig::default().min_free_disk))]
    pub min_free_disk: As<Size>,
}

impl Section for Storage {
    fn check(&self, written: &Layers) -> Result<(), ConfigError> {
        let is_unverified = self.database_url.as_ref().is_some_and(|url| url.0.is_unverified());
        if self.database_require_verified_tls.0 && is_unverified {
            let why = "names a server on another machine and does not verify its certificate, which \
                       database_require_verified_tls forbids: add ?sslmode=verify-full (and sslrootcert=PATH)";
            return Err(written.invalid("database_url", why));
        }
        Ok(())
    }
}
