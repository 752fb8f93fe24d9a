//! What an operator can set.

use std::{num::NonZeroU32, time::Duration};

use secrecy::SecretString;

use crate::{LoginLimits, RegistrationLimits, RegistrationOpen};

/// Who may come in, and how many may try.
#[derive(Debug, Clone)]
pub struct AccountsConfig {
    /// Whether strangers may register.
    pub registration_open: RegistrationOpen,
    /// How many may try to.
    pub registration_limits: RegistrationLimits,
    /// How long a trial lasts.
    pub trial: Duration,
    /// How long an access token works.
    pub access_token_life: Duration,
    /// How long a refresh token works.
    pub refresh_token_life: Duration,
    /// How many logins may fail.
    pub login_limits: LoginLimits,
    /// How many wrong credentials (API keys, tokens) a network may show a minute before those that memory does not know
    /// are refused unseen; none for no limit.
    pub refused_credentials_per_minute: Option<NonZeroU32>,
    /// What an operator of this server shows to come in; none for no operator.
    pub operator_token: Option<SecretString>,
}

impl Default for AccountsConfig {
    fn default() -> Self {
        Self {
            registration_open: RegistrationOpen::First,
            registration_limits: RegistrationLimits::default(),
            trial: Duration::from_hours(7 * 24),
            access_token_life: Duration::from_mins(15),
            refresh_token_life: Duration::from_hours(30 * 24),
            login_limits: LoginLimits::default(),
            refused_credentials_per_minute: NonZeroU32::new(300),
            operator_token: None,
        }
    }
}
