//! How WhatsApp is reached.

use clap::Args;
use serde::Deserialize;
use waypost_domain::ClientVersion;

use super::Section;
#[cfg(feature = "wire-sim")]
use crate::config::forms::Plain;
use crate::config::forms::{As, Form};

/// How WhatsApp is reached.
#[derive(Debug, Clone, Args, Deserialize)]
pub struct Whatsapp {
    /// WhatsApp Web's version, such as 2.3000.1023456789; unset: looked up.
    #[arg(long, value_name = "VERSION")]
    pub whatsapp_version: Option<As<Version>>,
    /// Where WhatsApp is: a simulator on this machine (ws:// or wss://, loopback only).
    #[cfg(feature = "wire-sim")]
    #[arg(long, value_name = "URL")]
    pub whatsapp_url: Option<As<Plain<String>>>,
}

impl Section for Whatsapp {}

/// WhatsApp Web's version: three numbers with dots between them.
pub struct Version;

impl Form for Version {
    type Value = ClientVersion;

    fn read(text: &str) -> Result<ClientVersion, String> {
        text.parse().map_err(|_| "must be three numbers with dots between them, such as 2.3000.1023456789".to_owned())
    }
}
