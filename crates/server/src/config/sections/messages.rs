//! How long a message is tried.

use clap::Args;
use serde::Deserialize;
use waypost_gateway::GatewayConfig;

use super::Section;
use crate::config::{
    forms::{As, Lasting, Number, Span},
    values::write_duration,
};

/// How long a message is tried.
#[derive(Debug, Clone, Args, Deserialize)]
pub struct Messages {
    /// How long WhatsApp may take to acknowledge before a message is sent again.
    #[arg(long, value_name = "DURATION", default_value = write_duration(GatewayConfig::default().ack_timeout))]
    pub ack_timeout: As<Lasting>,
    /// How often a message is sent in all before it fails with NO_ACK.
    #[arg(long, value_name = "NUMBER", default_value = GatewayConfig::default().send_attempts.to_string())]
    pub send_attempts: As<Number<u32, 1, 100>>,
    /// How long after its accept or its sendAt a message expires that has no expiresAt; 0s for never.
    #[arg(
        long,
        value_name = "DURATION",
        default_value = write_duration(GatewayConfig::default().message_expiry.unwrap_or_default())
    )]
    pub message_expiry: As<Span>,
}

impl Section for Messages {}
