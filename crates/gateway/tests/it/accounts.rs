//! Accounts and keys whose owners hang up.

use std::time::{Duration, Instant};

use futures::FutureExt as _;
use waypost_gateway::{GatewayConfig, GatewayError, NewApiKey, Registration, RegistrationOpen};

use crate::world::World;

/// Asks until the credential is refused.
async fn until_refused<T>(ask: impl AsyncFn() -> Result<T, GatewayError>) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !matches!(ask().await, Err(GatewayError::Unauthorized(_))) {
        assert!(Instant::now() < deadline, "the credential still works");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_key_is_revoked_and_a_login_ended_though_the_caller_hangs_up() {
    let config = GatewayConfig { registration_open: RegistrationOpen::Yes, ..GatewayConfig::default() };
    let World { gateway, tenant, .. } = &World::with(config).await;
    let new = NewApiKey { name: "shop".into(), scopes: Vec::new(), expires_at: None };
    let made = gateway.create_api_key(*tenant, new).await.unwrap();
    gateway.caller_by_api_key(&made.secret, None).await.unwrap();
    let revoking = gateway.revoke_api_key(*tenant, made.key.id);
    assert!(revoking.now_or_never().is_none(), "it was over before anybody could hang up");
    until_refused(async || gateway.caller_by_api_key(&made.secret, None).await).await;

    let registration = Registration {
        name: "Ada".into(),
        email: "ada@example.com".parse().unwrap(),
        password: "correct horse".parse().unwrap(),
        business_name: "Engines".into(),
    };
    let signed_in = gateway.register(registration, None).await.unwrap();
    let caller = gateway.caller_by_access_token(&signed_in.access_token, None).await.unwrap();
    let waypost_gateway::Credential::User { family_id, .. } = caller.credential else {
        unreachable!("a token is a person's")
    };
    let ending = gateway.logout(caller.tenant_id, family_id);
    assert!(ending.now_or_never().is_none(), "it was over before anybody could hang up");
    until_refused(async || gateway.caller_by_access_token(&signed_in.access_token, None).await).await;
}
