//! Who may come in: accounts and their logins, API keys, the operator. Knows nothing of messages, sessions or engines.
//!
//! Use cases are methods of [`Accounts`], one file each.

mod api_keys;
mod config;
mod credentials;
mod error;
mod guesses;
pub mod limits;
mod login;
mod logout;
mod me;
mod operator;
mod passwords;
mod refresh;
mod register;
mod secret;
mod sign_in;

use std::{sync::Arc, time::Duration};

use secrecy::SecretBox;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use waypost_domain::Env;
use waypost_store::Store;

pub use api_keys::{CreatedApiKey, NewApiKey};
pub use config::AccountsConfig;
pub use credentials::{Caller, Credential};
pub use error::AccountsError;
pub use guesses::LoginLimits;
pub use operator::NOT_THE_OPERATOR;
pub use passwords::{NewPassword, NotAPassword};
pub use register::{Registration, RegistrationLimits, RegistrationOpen};
pub use sign_in::SignedIn;

use crate::{credentials::Credentials, guesses::Guesses, passwords::Passwords, register::Registrations};

/// How long steps whose callers hung up may take to end when the process stops.
const FINISH: Duration = Duration::from_secs(10);

/// The use cases. Clones share everything.
#[derive(Clone)]
pub struct Accounts {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    env: Env,
    config: AccountsConfig,
    credentials: Credentials,
    passwords: Passwords,
    guesses: Guesses,
    registrations: Registrations,
    /// Steps that go on if their caller hangs up.
    steps: TaskTracker,
}

impl Accounts {
    /// The accounts of a database. `token_key` signs access tokens.
    ///
    /// Must be called within a tokio runtime: a task of it notes when keys are used, until the last clone is dropped.
    #[expect(clippy::needless_pass_by_value, reason = "the caller's copy of the key ends here")]
    pub fn new(store: Store, env: Env, config: AccountsConfig, token_key: SecretBox<[u8; 32]>) -> Self {
        let shared = Shared {
            credentials: Credentials::new(&store, &env, &config, &token_key),
            passwords: Passwords::new(),
            guesses: Guesses::new(config.login_limits, env.clone()),
            registrations: Registrations::new(config.registration_limits),
            steps: TaskTracker::new(),
            store,
            env,
            config,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Waits for the steps whose callers hung up, ten seconds at most. Called once nobody calls any more, and before the
    /// store is closed.
    pub async fn stopped(&self) {
        self.shared.steps.close();
        if timeout(FINISH, self.shared.steps.wait()).await.is_err() {
            tracing::warn!("some revocations and logouts did not end in time");
        }
    }

    /// Runs a step to its end even if the caller stops waiting for it: a step that broke off between the row and memory
    /// would leave the two apart.
    async fn undisturbed<T: Send + 'static>(
        &self,
        step: impl Future<Output = Result<T, AccountsError>> + Send + 'static,
    ) -> Result<T, AccountsError> {
        let joined = self.shared.steps.spawn(step).await;
        joined.unwrap_or_else(|error| Err(AccountsError::Internal(format!("a step broke off: {error}"))))
    }
}
