//! How numbers are looked up.

use clap::Args;
use serde::Deserialize;
use waypost_gateway::{CheckNumbers, GatewayConfig, LookupLimits};

use super::Section;
use crate::config::forms::{As, Named, OneOf, Positive, name};

/// How numbers are looked up.
#[derive(Debug, Clone, Args, Deserialize)]
pub struct Numbers {
    /// When numbers are looked up before a message is accepted: asked or always.
    #[arg(long, value_name = "WHEN", default_value = name(GatewayConfig::default().check_numbers))]
    pub check_numbers: As<OneOf<CheckNumbers>>,
    /// Numbers that each session may look up in a minute.
    #[arg(long, value_name = "NUMBER", default_value = LookupLimits::default().per_minute.to_string())]
    pub lookups_per_minute: As<Positive>,
    /// Numbers that each session may look up at once, after a pause.
    #[arg(long, value_name = "NUMBER", default_value = LookupLimits::default().burst.to_string())]
    pub lookup_burst: As<Positive>,
}

impl Section for Numbers {}

impl Named for CheckNumbers {
    const NAMES: &'static [(&'static str, Self)] = &[("asked", Self::Asked), ("always", Self::Always)];
}
