//! Accounts and keys whose owners hang up.

use std::time::{Duration, Instant};

use futures::FutureExt as _;
use secrecy::SecretBox;
use tempfile::TempDir;
use waypost_accounts::{
    Accounts, AccountsConfig, AccountsError, Credential, NewApiKey, Registration, RegistrationOpen, SignedIn,
};
use waypost_domain::Env;
use waypost_store::{MasterKey, Store, StoreConfig};

async fn accounts(folder: &TempDir) -> Accounts {
    let config = StoreConfig {
        database_url: format!("sqlite://{}/waypost.db", folder.path().display()).parse().unwrap(),
        master_key: MasterKey::new([7; 32]),
        max_connections: 4,
    };
    let env = Env::system();
    let store = Store::open(&config, env.clone()).await.unwrap();
    let config = AccountsConfig { registration_open: RegistrationOpen::Yes, ..AccountsConfig::default() };
    Accounts::new(store, env, config, SecretBox::new(Box::new([9; 32])))
}

async fn ada(accounts: &Accounts) -> SignedIn {
    let registration = Registration {
        name: "Ada".into(),
        email: "ada@example.com".parse().unwrap(),
        password: "correct horse".parse().unwrap(),
        business_name: "Engines".into(),
    };
    accounts.register(registration, None).await.unwrap()
}

fn shop() -> NewApiKey {
    NewApiKey { name: "shop".into(), scopes: Vec::new(), expires_at: None }
}

/// Asks until the credential is refused.
async fn until_refused<T>(ask: impl AsyncFn() -> Result<T, AccountsError>) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !matches!(ask().await, Err(AccountsError::Unauthorized(_))) {
        assert!(Instant::now() < deadline, "the credential still works");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_key_is_revoked_and_a_login_ended_though_the_caller_hangs_up() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = accounts(&folder).await;
    let signed_in = ada(&accounts).await;
    let caller = accounts.caller_by_access_token(&signed_in.access_token, None).await.unwrap();
    let made = accounts.create_api_key(caller.tenant_id, shop()).await.unwrap();
    accounts.caller_by_api_key(&made.secret, None).await.unwrap();
    let revoking = accounts.revoke_api_key(caller.tenant_id, made.key.id);
    assert!(revoking.now_or_never().is_none(), "it was over before anybody could hang up");
    until_refused(async || accounts.caller_by_api_key(&made.secret, None).await).await;

    let Credential::User { family_id, .. } = caller.credential else { unreachable!("a token is a person's") };
    let ending = accounts.logout(caller.tenant_id, family_id);
    assert!(ending.now_or_never().is_none(), "it was over before anybody could hang up");
    until_refused(async || accounts.caller_by_access_token(&signed_in.access_token, None).await).await;
}

#[tokio::test]
async fn the_stop_waits_for_what_a_caller_began_who_hung_up() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = accounts(&folder).await;
    let tenant = ada(&accounts).await.tenant.id;
    let made = accounts.create_api_key(tenant, shop()).await.unwrap();
    assert!(accounts.revoke_api_key(tenant, made.key.id).now_or_never().is_none(), "nobody could hang up");
    accounts.stopped().await;
    // Asked of memory alone: whatever needs the database is not ready at once.
    let known = accounts.caller_by_api_key(&made.secret, None).now_or_never();
    assert!(!matches!(known, Some(Ok(_))), "the key was not revoked when the stop went on");
}
