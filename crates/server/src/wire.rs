//! Building the parts and putting them together.

use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use secrecy::{ExposeSecret, SecretBox, SecretString};
use waypost_domain::Env;
use waypost_engine::{Engine, sandbox::SandboxEngine};
use waypost_engine_whatsapp::WhatsappEngine;
use waypost_gateway::Gateway;
use waypost_store::{MasterKey, Store, StoreConfig, StoreError};

use crate::{
    config::Config,
    data_dir::{DataDir, DataDirError},
    keys::{self, Key},
    sandbox_mailbox::DatabaseMailbox,
};

/// The file of the master key in the data folder.
const MASTER_KEY: &str = "master.key";

/// The file of the token key in the data folder.
const TOKEN_KEY: &str = "token.key";

/// The SQLite database in the data folder.
const DATABASE: &str = "waypost.db";

/// What the server is made of.
pub struct Parts {
    /// The database, to close it at the end.
    pub store: Store,
    /// The use cases, to start and stop the loops.
    pub gateway: Gateway,
    /// The HTTP surface.
    pub router: Router,
    /// The database in a few words, for the start line.
    pub database: String,
}

/// Builds every part. Nothing moves yet but the database's own writer.
pub async fn build(config: &Config, folder: &DataDir) -> anyhow::Result<Parts> {
    let env = Env::system();
    let master_key = keys::load(&config.master_key, folder, MASTER_KEY, &env)?;
    let token_key = keys::load(&config.token_key, folder, TOKEN_KEY, &env)?;
    let url = config.database_url.clone().map_or_else(|| sqlite_in(folder), Ok)?;
    let database = describe(url.expose_secret());
    let store = open_store(config, url, &master_key, &env).await.with_context(|| format!("cannot open {database}"))?;
    let engines = engines(config, &store, &env)?;
    let token_key = SecretBox::new(Box::new(*token_key));
    let gateway = Gateway::new(store.clone(), engines, env, config.gateway.clone(), token_key);
    let router = waypost_api::router(gateway.clone(), config.api.clone());
    Ok(Parts { store, gateway, router, database })
}

fn engines(config: &Config, store: &Store, env: &Env) -> anyhow::Result<Vec<Arc<dyn Engine>>> {
    let whatsapp = WhatsappEngine::new(config.whatsapp.clone(), store.clone(), env.clone())
        .context("whatsapp_url cannot be used")?;
    let mailbox = Arc::new(DatabaseMailbox::new(store.clone()));
    let sandbox = SandboxEngine::new(config.sandbox, mailbox, env.clone());
    Ok(vec![Arc::new(whatsapp), Arc::new(sandbox)])
}

async fn open_store(config: &Config, url: SecretString, master_key: &Key, env: &Env) -> anyhow::Result<Store> {
    let settings = StoreConfig {
        database_url: url,
        master_key: MasterKey::new(**master_key),
        max_connections: config.database_max_connections,
    };
    Store::open(&settings, env.clone()).await.map_err(|error| {
        let advice = match &error {
            StoreError::Corrupt { table: "meta", .. } => {
                "its secrets were encrypted under another master key: give that one (WAYPOST_MASTER_KEY_FILE, or master.key in the data folder)"
            }
            _ => "check that it runs, that DATABASE_URL is right, and that it may be written to",
        };
        anyhow::Error::new(error).context(advice)
    })
}

/// The URL of the database in the data folder. SQLite gives its other files the rights of this one.
fn sqlite_in(folder: &DataDir) -> Result<SecretString, DataDirError> {
    let path = folder.own_file(DATABASE)?.display().to_string();
    let path = path.replace('%', "%25").replace('?', "%3F").replace('#', "%23");
    Ok(SecretString::from(format!("sqlite://{path}")))
}

/// The kind of a database and where it is, without user and password.
fn describe(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let place = rest.split('?').next().unwrap_or_default();
    if scheme == "sqlite" {
        return format!("SQLite at {place}");
    }
    format!("PostgreSQL at {}", place.rsplit_once('@').map_or(place, |(_credentials, place)| place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_described_without_its_password() {
        assert_eq!(describe("postgres://me:hunter2@db:5432/waypost?sslmode=require"), "PostgreSQL at db:5432/waypost");
        assert_eq!(describe("postgres://me:a@b@db/waypost"), "PostgreSQL at db/waypost");
        assert_eq!(describe("sqlite:///srv/waypost.db?mode=rwc"), "SQLite at /srv/waypost.db");
    }
}
