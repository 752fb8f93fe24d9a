//! The pace of pretend phones.

use clap::Args;
use serde::Deserialize;
use waypost_engine::sandbox::SandboxDelays;

use super::Section;
use crate::config::{
    forms::{As, OneOf, Span},
    values::write_duration,
};

/// The pace of pretend phones.
#[derive(Debug, Clone, Args, Deserialize)]
pub struct Sandbox {
    /// Sandbox: no delays at all.
    #[arg(long, value_name = "BOOLEAN", default_value = "false")]
    pub sandbox_fast: As<OneOf<bool>>,
    /// Sandbox: until a message is acknowledged.
    #[arg(long, value_name = "DURATION", default_value = write_duration(SandboxDelays::default().ack))]
    pub sandbox_ack_delay: As<Span>,
    /// Sandbox: until it is delivered.
    #[arg(long, value_name = "DURATION", default_value = write_duration(SandboxDelays::default().delivered))]
    pub sandbox_delivered_delay: As<Span>,
    /// Sandbox: until it is read.
    #[arg(long, value_name = "DURATION", default_value = write_duration(SandboxDelays::default().read))]
    pub sandbox_read_delay: As<Span>,
    /// Sandbox: until its answer comes in.
    #[arg(long, value_name = "DURATION", default_value = write_duration(SandboxDelays::default().reply))]
    pub sandbox_reply_delay: As<Span>,
}

impl Section for Sandbox {}

impl Sandbox {
    /// The delays that these say.
    pub fn delays(&self) -> SandboxDelays {
        if self.sandbox_fast.0 {
            return SandboxDelays::NONE;
        }
        SandboxDelays {
            ack: self.sandbox_ack_delay.0,
            delivered: self.sandbox_delivered_delay.0,
            read: self.sandbox_read_delay.0,
            reply: self.sandbox_reply_delay.0,
            ..SandboxDelays::default()
        }
    }
}
