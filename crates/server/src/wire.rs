//! Building the parts and putting them together.

use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use secrecy::SecretBox;
use waypost_accounts::Accounts;
use waypost_domain::Env;
use waypost_engine::{Engine, sandbox::SandboxEngine};
use waypost_engine_whatsapp::WhatsappEngine;
use waypost_gateway::Gateway;
use waypost_store::{Claim, DatabaseUrl, MasterKey, Store, StoreError};

use crate::{
    config::Settings,
    data_dir::{DATABASE, DataDir, MASTER_KEY, TOKEN_KEY},
    keys::{self, Absent, Key, KeyError},
    sandbox_mailbox::DatabaseMailbox,
};

/// What the server is made of.
pub struct Parts {
    /// The database, to close it at the end.
    pub store: Store,
    /// The use cases of accounts, to wait for those under way at the end.
    pub accounts: Accounts,
    /// The use cases of sessions and messages, to start and stop the loops.
    pub gateway: Gateway,
    /// The HTTP surface.
    pub router: Router,
    /// The database in a few words, for the start line.
    pub database: String,
}

/// Builds every part. Nothing moves yet but the database's own writer. The database is this process's before anything is
/// written anywhere: a key that is made beside another's database, a table, a session's row.
pub async fn build(settings: &Settings, folder: &DataDir) -> anyhow::Result<Parts> {
    let env = Env::system();
    let url = settings.storage.database_url.as_ref().map(|url| url.0.clone());
    let url = url.unwrap_or_else(|| DatabaseUrl::sqlite(&folder.join(DATABASE)));
    if url.is_unverified() {
        tracing::warn!(
            "the PostgreSQL server is on another machine and nobody verifies its certificate: whoever is in between can read and change everything. Add ?sslmode=verify-full to DATABASE_URL"
        );
    }
    let database = url.to_string();
    let opened = open(settings, folder, &url, &env).await;
    let (store, token_key) = opened.with_context(|| format!("cannot open {database}"))?;
    let engines = engines(settings, &store, &env)?;
    let token_key = SecretBox::new(Box::new(*token_key));
    let accounts = Accounts::new(store.clone(), env.clone(), settings.accounts_config(), token_key);
    let gateway = Gateway::new(store.clone(), engines, env, settings.gateway_config());
    let router = waypost_api::router(accounts.clone(), gateway.clone(), settings.api_config());
    Ok(Parts { store, accounts, gateway, router, database })
}

fn engines(settings: &Settings, store: &Store, env: &Env) -> anyhow::Result<Vec<Arc<dyn Engine>>> {
    let whatsapp = WhatsappEngine::new(settings.whatsapp_config(), store.clone(), env.clone())
        .context("whatsapp_url cannot be used")?;
    let mailbox = Arc::new(DatabaseMailbox::new(store.clone()));
    let sandbox = SandboxEngine::new(settings.sandbox.delays(), mailbox, env.clone());
    Ok(vec![Arc::new(whatsapp), Arc::new(sandbox)])
}

/// Takes the database, then the keys, then opens the one with the other. Returns the token key too.
async fn open(settings: &Settings, folder: &DataDir, url: &DatabaseUrl, env: &Env) -> anyhow::Result<(Store, Key)> {
    let claim = Claim::take(url, settings.storage.database_max_connections.0).await?;
    let absent = if claim.is_sealed().await? { Absent::Refuse } else { Absent::Make };
    let master_key = keys::load(&settings.keys.master(), folder, MASTER_KEY, absent, env)?;
    let token_key = keys::load(&settings.keys.token(), folder, TOKEN_KEY, Absent::Make, env)?;
    if master_key == token_key {
        return Err(KeyError::Same.into());
    }
    let store = Store::open_claimed(claim, &MasterKey::new(*master_key), env.clone()).await.map_err(|error| {
        let is_other_key = matches!(&error, StoreError::Corrupt { table: "meta", .. });
        let error = anyhow::Error::new(error);
        if is_other_key {
            return error.context("its secrets were encrypted under another master key: give that one (WAYPOST_MASTER_KEY_FILE, or master.key in the data folder)");
        }
        error
    })?;
    Ok((store, token_key))
}
