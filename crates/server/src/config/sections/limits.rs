//! How often somebody may ask.

use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use waypost_accounts::{AccountsConfig, LoginLimits};
use waypost_api::ApiConfig;

use super::Section;
use crate::config::{
    forms::{As, Form, Limit},
    values::{duration, write_duration, write_limit},
};

/// How often somebody may ask.
#[derive(Debug, Clone, Args, Deserialize)]
pub struct Limits {
    /// Requests a minute that a tenant may make; 0 for no limit.
    #[arg(long, value_name = "NUMBER", default_value = write_limit(ApiConfig::default().requests_per_minute))]
    pub rate_limit_per_minute: As<Limit>,
    /// Requests a minute without a credential from one network (IPv4 address, IPv6 /56); 0 for no limit.
    #[arg(long, value_name = "NUMBER", default_value = write_limit(ApiConfig::default().open_requests_per_minute))]
    pub open_requests_per_minute: As<Limit>,
    /// Requests a second without a credential, in all; 0 for no limit.
    #[arg(long, value_name = "NUMBER", default_value = write_limit(ApiConfig::default().open_requests_per_second))]
    pub open_requests_per_second: As<Limit>,
    /// Failed logins a minute from one network, before it has to wait; 0 for no limit.
    #[arg(long, value_name = "NUMBER", default_value = write_limit(LoginLimits::default().failures_per_minute))]
    pub login_failures_per_minute: As<Limit>,
    /// Failed logins an hour for one e-mail, before only networks pass that logged in before; 0 for no limit.
    #[arg(long, value_name = "NUMBER", default_value = write_limit(LoginLimits::default().failures_per_email))]
    pub login_failures_per_email: As<Limit>,
    /// Wrong keys and tokens a minute from one network, before unknown ones are refused unseen; 0 for no limit.
    #[arg(
        long,
        value_name = "NUMBER",
        default_value = write_limit(AccountsConfig::default().refused_credentials_per_minute)
    )]
    pub refused_credentials_per_minute: As<Limit>,
    /// How long whoever is past one of these limits waits for the refusal, so that asking again at once is no use.
    #[arg(long, value_name = "DURATION", default_value = write_duration(ApiConfig::default().refusal_pause))]
    pub refusal_pause: As<RefusalPause>,
}

impl Section for Limits {}

/// A pause before a refusal.
pub struct RefusalPause;

impl Form for RefusalPause {
    type Value = Duration;

    fn read(text: &str) -> Result<Duration, String> {
        // Proxies and clients give up after ten seconds or more.
        let pause = duration(text)?;
        (pause <= Duration::from_secs(5)).then_some(pause).ok_or_else(|| "must be 5s at most".to_owned())
    }
}
