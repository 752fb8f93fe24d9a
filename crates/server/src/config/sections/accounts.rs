//! Who comes in.

use clap::Args;
use secrecy::SecretString;
use serde::Deserialize;
use waypost_accounts::{AccountsConfig, RegistrationLimits, RegistrationOpen};

use super::Section;
use crate::config::{
    forms::{As, Form, Lasting, Limit, Named, OneOf, name},
    values::{write_duration, write_limit},
};

/// Who comes in.
#[derive(Debug, Clone, Args, Deserialize)]
pub struct Accounts {
    /// Lets the operator in at /api/operator, 32 characters at least; unset: nobody.
    #[arg(long, value_name = "TOKEN", hide_env_values = true)]
    pub operator_token: Option<As<OperatorToken>>,
    /// Whether strangers may register: true, false, or first (until there is a tenant).
    #[arg(long, value_name = "WHEN", default_value = name(AccountsConfig::default().registration_open))]
    pub registration_open: As<OneOf<RegistrationOpen>>,
    /// Tries to register an hour from one network; 0 for no limit.
    #[arg(long, value_name = "NUMBER", default_value = write_limit(RegistrationLimits::default().per_network))]
    pub registrations_per_hour: As<Limit>,
    /// Tries to register an hour from all; 0 for no limit.
    #[arg(long, value_name = "NUMBER", default_value = write_limit(RegistrationLimits::default().in_all))]
    pub registrations_per_hour_in_all: As<Limit>,
    /// How long an access token works.
    #[arg(long, value_name = "DURATION", default_value = write_duration(AccountsConfig::default().access_token_life))]
    pub access_token_life: As<Lasting>,
    /// How long a refresh token works.
    #[arg(long, value_name = "DURATION", default_value = write_duration(AccountsConfig::default().refresh_token_life))]
    pub refresh_token_life: As<Lasting>,
}

impl Section for Accounts {}

impl Named for RegistrationOpen {
    const NAMES: &'static [(&'static str, Self)] = &[("true", Self::Yes), ("false", Self::No), ("first", Self::First)];
}

/// A token that nobody guesses.
pub struct OperatorToken;

impl Form for OperatorToken {
    type Value = SecretString;

    fn read(text: &str) -> Result<SecretString, String> {
        // Anything shorter may be guessed in time, from many networks.
        let is_strong = text.len() >= 32 && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_strong.then(|| SecretString::from(text)).ok_or_else(|| "must be 32 visible characters at least".to_owned())
    }
}
