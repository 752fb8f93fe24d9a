//! How many sessions there are, and how they come back.

use clap::Args;
use serde::Deserialize;
use waypost_gateway::GatewayConfig;

use super::Section;
use crate::config::forms::{As, Limit, Number};

/// How many sessions there are, and how they come back.
#[derive(Debug, Clone, Args, Deserialize)]
pub struct Sessions {
    /// Sessions that a tenant may have; 0 for no limit.
    #[arg(
        long,
        value_name = "NUMBER",
        default_value = GatewayConfig::default().max_sessions_per_tenant.unwrap_or(0).to_string()
    )]
    pub max_sessions_per_tenant: As<Limit>,
    /// Sessions that begin to log in each second after a start or an outage.
    #[arg(long, value_name = "NUMBER", default_value = GatewayConfig::default().session_logins_per_second.to_string())]
    pub logins_per_second: As<Number<u32, 1, 10_000>>,
}

impl Section for Sessions {}
